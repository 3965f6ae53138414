/**
 * Tokens in VS Code's secret storage, one for each server's origin.
 *
 * They go to the language server when it asks (`midfill/token`), and nowhere else.
 */

import * as vscode from "vscode";

const PREFIX = "token:";

export class Tokens {
  constructor(private readonly secrets: vscode.SecretStorage) {}

  /** Tells when a token was stored or removed, by whichever window: all have one storage. */
  onDidChange(listener: () => void): vscode.Disposable {
    return this.secrets.onDidChange(({ key }) => {
      if (key.startsWith(PREFIX)) listener();
    });
  }

  /** Returns the token for the server at `url`, null if there is none. */
  async get(url: unknown): Promise<string | null> {
    const key = typeof url === "string" ? keyOf(url) : undefined;
    return key === undefined ? null : ((await this.secrets.get(key)) ?? null);
  }

  async set(url: string, token: string): Promise<void> {
    const key = keyOf(url);
    if (key !== undefined) await this.secrets.store(key, token);
  }

  async clear(url: string): Promise<void> {
    const key = keyOf(url);
    if (key !== undefined) await this.secrets.delete(key);
  }
}

/** Returns the origin of a server's address, undefined if it is none. */
export function originOf(url: string): string | undefined {
  const plain = url.replaceAll("{model}", "model");
  if (!URL.canParse(plain)) return undefined;
  const { origin, protocol } = new URL(plain);
  return protocol === "https:" || protocol === "http:" ? origin : undefined;
}

function keyOf(url: string): string | undefined {
  const origin = originOf(url);
  return origin === undefined ? undefined : PREFIX + origin;
}
