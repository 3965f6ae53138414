import { expect, test, vi } from "vitest";
import type * as vscode from "vscode";

import { setToken } from "../src/secrets/commands";
import { Tokens } from "../src/secrets/tokens";
import { EventEmitter, settings, user } from "./vscode";

const URL = "https://api.example.com/v1";

/** The secret storage, which all windows share. */
class Secrets {
  private readonly kept = new Map<string, string>();
  private readonly changed = new EventEmitter<{ key: string }>();
  readonly onDidChange = this.changed.event;

  get(key: string): Promise<string | undefined> {
    return Promise.resolve(this.kept.get(key));
  }

  store(key: string, value: string): Promise<void> {
    this.kept.set(key, value);
    this.changed.fire({ key });
    return Promise.resolve();
  }

  delete(key: string): Promise<void> {
    this.kept.delete(key);
    this.changed.fire({ key });
    return Promise.resolve();
  }
}

test("a token that one window sets or clears is told in all", async () => {
  // The servers of the other windows went on sending it.
  const secrets = new Secrets();
  const [here, elsewhere] = [1, 2].map(() => new Tokens(secrets as unknown as vscode.SecretStorage));
  const told: string[] = [];
  here?.onDidChange(() => told.push("here"));
  elsewhere?.onDidChange(() => told.push("elsewhere"));
  await here?.set(URL, "secret");
  expect(told).toEqual(["here", "elsewhere"]);
  await elsewhere?.clear(URL);
  expect(told).toHaveLength(4);
  expect(await here?.get(URL)).toBeNull();
  await secrets.store("another", "secret");
  expect(told).toHaveLength(4);
});

const FILE = "https://file.example.com/v1";
const OWN = "https://own.example.com/v1";
const HELD = { "backend.kind": { value: "openai" }, "backend.url": { value: FILE } };

test.each([
  // It was that of VS Code's settings in any case.
  ["that the language server asks, from the user's file", FILE, () => Promise.resolve({ settings: HELD })],
  ["of VS Code's settings where no language server runs", OWN, undefined],
  // Nothing was asked.
  ["of VS Code's settings where the language server hangs", OWN, () => new Promise(() => undefined)],
])("a token is proposed for the server %s", async (_, url, sendRequest) => {
  settings.set("midfill.backend.kind", "openai");
  settings.set("midfill.backend.url", OWN);
  const tokens = new Tokens(new Secrets());
  user.takesProposed();
  user.writes("secret");
  vi.useFakeTimers();
  try {
    const done = setToken(tokens, (sendRequest && { sendRequest }) as never);
    await vi.advanceTimersByTimeAsync(5_000);
    await done;
  } finally {
    vi.useRealTimers();
    settings.clear();
  }
  expect(await tokens.get(url)).toBe("secret");
});
