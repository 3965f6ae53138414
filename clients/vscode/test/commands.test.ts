import { beforeEach, expect, test, vi } from "vitest";

import { registerCommands, type CommandParts } from "../src/commands";
import { commands, settings, user, window } from "./vscode";

/** The commands over a language server that answers as the test says. */
class Bench {
  numRestarts = 0;

  constructor(sendRequest: (() => Promise<unknown>) | undefined) {
    const session = {
      state: { kind: sendRequest ? "running" : "starting" },
      running: sendRequest && { sendRequest },
      restart: () => Promise.resolve((this.numRestarts += 1)),
    };
    registerCommands({ session, log: { warn: () => undefined } } as unknown as CommandParts);
  }
}

beforeEach(() => {
  settings.clear();
  user.told.length = 0;
});

test("a language server that hangs is replaced", async () => {
  // It was asked to restart the engine, and waited for without a limit.
  vi.useFakeTimers();
  try {
    const bench = new Bench(() => new Promise(() => undefined));
    const done = commands.executeCommand("midfill.restart");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(bench.numRestarts).toBe(1);
    await done;
  } finally {
    vi.useRealTimers();
  }
});

test("a language server that cannot restart the engine is replaced", async () => {
  const bench = new Bench(() => Promise.reject(new Error("no connection")));
  await commands.executeCommand("midfill.restart");
  expect(bench.numRestarts).toBe(1);
});

const SETTING = "midfill.completion.disabledLanguages";

test.each([
  // The list of the user's file was replaced, and a language that it names could not be switched on.
  ["off", undefined, ["markdown"], ["markdown", "python"]],
  ["on", undefined, ["markdown", "python"], ["markdown"]],
  ["on, the last one", undefined, ["python"], []],
  // What a workspace's file adds does not get into the user's settings.
  ["off", ["markdown"], ["markdown", "latex"], ["markdown", "python"]],
])("a language is switched %s: VS Code has %j, %j hold", async (_, own, held, after) => {
  if (own) settings.set(SETTING, own);
  window.activeTextEditor = { document: { languageId: "python" } };
  new Bench(() => Promise.resolve({ settings: { "completion.disabledLanguages": { value: held, from: "?" } } }));
  await commands.executeCommand("midfill.toggleLanguage");
  expect(settings.get(SETTING)).toEqual(after);
});

test("without a language server nothing is chosen, and it is told why", async () => {
  new Bench(undefined);
  await commands.executeCommand("midfill.chooseBackend");
  expect(user.told).toEqual(["Midfill: The language server still starts; ask again in a moment."]);
});
