import { expect, test } from "vitest";

import { Growth } from "../src/ghost/growth";
import { Waiting, type CancellationToken } from "../src/ghost/waiting";

class Token implements CancellationToken {
  isCancellationRequested = false;
  private readonly listeners = new Set<() => void>();

  onCancellationRequested(listener: () => void) {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  }

  cancel(): void {
    this.isCancellationRequested = true;
    for (const listener of this.listeners) listener();
  }
}

function begun() {
  const growth = new Growth<string>({ uri: "file:///a.py", version: 3, line: 1, character: 4 }, (item) => item);
  const waiting = new Waiting(growth);
  const told = { numNobody: 0 };
  waiting.onNobody = () => {
    told.numNobody++;
    growth.finish([]);
  };
  return { growth, waiting, told };
}

test("a request that is cancelled before there is text leaves nobody", async () => {
  const { waiting, told } = begun();
  const token = new Token();
  const wanted = waiting.until("begun", token);
  token.cancel();
  expect(await wanted).toBe(false);
  expect(told.numNobody).toBe(1);
});

test("of two requests one may go, in either order", async () => {
  for (const first of [0, 1]) {
    const { growth, waiting, told } = begun();
    const tokens = [new Token(), new Token()];
    const wanted = tokens.map((token) => waiting.until("begun", token));
    tokens[first]?.cancel();
    growth.grow("a");
    expect(await Promise.all(wanted)).toEqual([first !== 0, first !== 1]);
    expect(told.numNobody).toBe(0);
  }
});

test("when both have gone, nobody is left, and it is told once", async () => {
  const { waiting, told } = begun();
  const tokens = [new Token(), new Token()];
  const wanted = tokens.map((token) => waiting.until("begun", token));
  for (const token of tokens) token.cancel();
  expect(await Promise.all(wanted)).toEqual([false, false]);
  expect(told.numNobody).toBe(1);
});

test.each([
  { what: "begun", numNobody: 0 },
  { what: "finished", numNobody: 1 },
] as const)("text is there, and who waits for it to have $what goes at once", async ({ what, numNobody }) => {
  const { growth, waiting, told } = begun();
  growth.grow("a");
  const token = new Token();
  const wanted = waiting.until(what, token);
  token.cancel();
  expect(told.numNobody).toBe(numNobody);
  growth.finish([]);
  expect(await wanted).toBe(false);
  expect(await waiting.until(what, new Token())).toBe(true);
});
