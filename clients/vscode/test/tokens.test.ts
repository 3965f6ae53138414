import { expect, test } from "vitest";
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

test.each([
  ["that the language server asks, from the user's file", "https://file.example.com/v1", true],
  ["of VS Code's settings where no language server answers", "https://own.example.com/v1", false],
])("a token is proposed for the server %s", async (_, url, isRunning) => {
  // It was that of VS Code's settings in any case.
  settings.set("midfill.backend.kind", "openai");
  settings.set("midfill.backend.url", "https://own.example.com/v1");
  const held = { "backend.kind": { value: "openai" }, "backend.url": { value: "https://file.example.com/v1" } };
  const client = isRunning ? { sendRequest: () => Promise.resolve({ settings: held }) } : undefined;
  const tokens = new Tokens(new Secrets());
  user.takesProposed();
  user.writes("secret");
  await setToken(tokens, client as never);
  settings.clear();
  expect(await tokens.get(url)).toBe("secret");
});
