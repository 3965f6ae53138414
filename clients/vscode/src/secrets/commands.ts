/** Commands that set and clear the token of a server. */

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

import { heldSettings } from "../held";
import { serverUrl } from "../settings";
import { originOf, type Tokens } from "./tokens";

/** So long the user waits for a language server that hangs, until VS Code's own settings have to do. */
const SETTINGS_TIMEOUT_MS = 2_000;

/** Asks for a token and keeps it. */
export async function setToken(tokens: Tokens, client: LanguageClient | undefined): Promise<void> {
  const url = await askUrl("Which server is the token for?", client);
  if (url === undefined) return;
  const token = await vscode.window.showInputBox({
    title: `Token for ${originOf(url) ?? url}`,
    prompt: "It is kept in VS Code's secret storage and sent to this server only.",
    password: true,
    ignoreFocusOut: true,
    validateInput: (value) =>
      /^[\x21-\x7e]+$/.test(value.trim()) ? undefined : "A token is printable ASCII without spaces.",
  });
  if (token !== undefined) await tokens.set(url, token.trim());
}

/** Forgets a token. */
export async function clearToken(tokens: Tokens, client: LanguageClient | undefined): Promise<void> {
  const url = await askUrl("Which server's token shall be forgotten?", client);
  if (url === undefined) return;
  const had = (await tokens.get(url)) !== null;
  await tokens.clear(url);
  const origin = originOf(url) ?? url;
  void vscode.window.showInformationMessage(
    had ? `The token for ${origin} is forgotten.` : `There was no token for ${origin}.`,
  );
}

async function askUrl(title: string, client: LanguageClient | undefined): Promise<string | undefined> {
  return vscode.window.showInputBox({
    title,
    value: (await urlInUse(client)) ?? "https://router.huggingface.co",
    prompt: "The server's address, as in midfill.backend.url",
    ignoreFocusOut: true,
    validateInput: (value) =>
      originOf(value) === undefined ? "An address that begins with https:// or http://" : undefined,
  });
}

/** The user's `midfill.toml` may name another than VS Code's settings: the language server knows. */
async function urlInUse(client: LanguageClient | undefined): Promise<string | undefined> {
  const late = new Promise<undefined>((end) => setTimeout(end, SETTINGS_TIMEOUT_MS, undefined));
  const held = client && (await Promise.race([heldSettings(client).catch(() => undefined), late]));
  if (held) return serverUrl(held["backend.kind"].value, held["backend.url"].value);
  const backend = vscode.workspace.getConfiguration("midfill.backend");
  return serverUrl(backend.get<string>("kind", "engine"), backend.get<string | null>("url"));
}
