import { expect, test } from "vitest";
import type * as vscode from "vscode";

import { Tokens } from "../src/secrets/tokens";
import { EventEmitter } from "./vscode";

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
