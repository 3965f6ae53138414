import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { LanguageClientOptions } from "vscode-languageclient/node";

import { Session, type SessionParts } from "../src/server/session";

/** The language client, as it is while its server has not answered `initialize`: that the test does. */
const { clients, FakeClient } = vi.hoisted(() => {
  const clients: InstanceType<typeof FakeClient>[] = [];
  class FakeClient {
    answer: () => void = () => undefined;
    private fail: (error: Error) => void = () => undefined;
    isStarted = false;
    isEnded = false;

    constructor(
      _id: string,
      _name: string,
      readonly server: { readonly command: string },
      private readonly options: LanguageClientOptions,
    ) {
      clients.push(this);
    }

    start(): Promise<void> {
      return new Promise((resolve, reject) => {
        this.answer = () => {
          this.isStarted = true;
          resolve();
        };
        this.fail = reject;
      });
    }

    /** It refuses to stop what has not started, and kills it two seconds later. */
    dispose(): Promise<void> {
      this.isEnded = true;
      if (this.isStarted) return Promise.resolve();
      setTimeout(() => {
        if (this.isStarted) return;
        this.close();
        this.fail(new Error("the connection got disposed"));
      }, 2_000);
      return Promise.reject(new Error("the client is not running"));
    }

    close(): void {
      void this.options.errorHandler?.closed();
    }
  }
  return { clients, FakeClient };
});

vi.mock("vscode-languageclient/node", () => ({
  CloseAction: {},
  ErrorAction: {},
  RevealOutputChannelOn: {},
  LanguageClient: FakeClient,
}));

/** A session whose setting of the server's program the test changes. */
class Bench {
  program = "/bin/wrong";
  readonly session = new Session({
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    find: () => Promise.resolve({ kind: "found", program: this.program, origin: "setting" }),
    launch: () => ({ args: [], env: {}, cwd: "/" }),
    middleware: {},
    wire: () => undefined,
  } as unknown as SessionParts);
}

/** Returns the client of a start, from 1 on, once that waits for its server. */
function clientOf(num: number): Promise<InstanceType<typeof FakeClient>> {
  return vi.waitFor(() => {
    const client = clients[num - 1];
    if (!client) throw new Error(`start ${num} is still to come`);
    return client;
  });
}

beforeEach(() => {
  clients.length = 0;
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test("a server that never answers is replaced by the next one", async () => {
  // Whoever corrected the setting waited behind the first start for ever.
  const bench = new Bench();
  const first = bench.session.restart();
  const hanging = await clientOf(1);
  bench.program = "/bin/right";
  const second = bench.session.restart();
  await vi.advanceTimersByTimeAsync(2_000);
  await first;
  const right = await clientOf(2);
  expect(right.server.command).toBe("/bin/right");
  right.answer();
  await second;
  hanging.close(); // its end is not the other's
  expect(bench.session.state).toEqual({ kind: "running" });
  expect(right.isEnded).toBe(false);
});

test("a server that answers after it was given up is stopped", async () => {
  const bench = new Bench();
  void bench.session.restart();
  const late = await clientOf(1);
  const second = bench.session.restart();
  late.isEnded = false;
  late.answer();
  (await clientOf(2)).answer();
  await second;
  expect(late.isEnded).toBe(true);
  expect(bench.session.state).toEqual({ kind: "running" });
});

test("a server that never answers can be stopped", async () => {
  const bench = new Bench();
  void bench.session.restart();
  await clientOf(1);
  const stopped = bench.session.stop();
  await vi.advanceTimersByTimeAsync(2_000);
  await stopped;
  expect(bench.session.state).toEqual({ kind: "stopped" });
});

test("a server that does not answer within a minute is told, and ended", async () => {
  const bench = new Bench();
  const over = bench.session.restart();
  const hanging = await clientOf(1);
  await vi.advanceTimersByTimeAsync(62_000);
  await over;
  expect(bench.session.state).toEqual({ kind: "failed", reason: "It did not answer within a minute." });
  expect(hanging.isEnded).toBe(true);
});

test("whoever asks while the server starts gets it once it runs", async () => {
  const bench = new Bench();
  void bench.session.restart();
  const client = await clientOf(1);
  const found = bench.session.settled();
  client.answer();
  expect(await found).toBe(client);
});

test("whoever asks while one server stops for another gets the other", async () => {
  // It was told that there is none, to be restarted from the status bar.
  const bench = new Bench();
  const first = bench.session.restart();
  (await clientOf(1)).answer();
  await first;
  void bench.session.restart();
  await vi.waitFor(() => {
    if (bench.session.running) throw new Error("the stop is still to come");
  });
  const found = bench.session.settled();
  const second = await clientOf(2);
  second.answer();
  expect(await found).toBe(second);
});

test("whoever asks while a server starts that never answers gets none", async () => {
  const bench = new Bench();
  void bench.session.restart();
  await clientOf(1);
  const found = bench.session.settled();
  await vi.advanceTimersByTimeAsync(62_000);
  expect(await found).toBeUndefined();
});

test("settings that change while they are typed start the server once", async () => {
  // Each part of an address or a path had a restart and a message of its own.
  const bench = new Bench();
  for (let time = 0; time < 3; time++) {
    bench.session.restartSoon();
    await vi.advanceTimersByTimeAsync(900);
  }
  expect(clients).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(100);
  (await clientOf(1)).answer();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(clients).toHaveLength(1);
  expect(bench.session.state).toEqual({ kind: "running" });
});
