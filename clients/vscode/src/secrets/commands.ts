/** Commands that set and clear the token of a server. */

import * as vscode from "vscode";

import { serverUrl } from "../settings";
import { originOf, type Tokens } from "./tokens";

/** Asks for a token and keeps it. */
export async function setToken(tokens: Tokens): Promise<void> {
  const url = await askUrl("Which server is the token for?");
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
export async function clearToken(tokens: Tokens): Promise<void> {
  const url = await askUrl("Which server's token shall be forgotten?");
  if (url === undefined) return;
  const had = (await tokens.get(url)) !== null;
  await tokens.clear(url);
  const origin = originOf(url) ?? url;
  void vscode.window.showInformationMessage(
    had ? `The token for ${origin} is forgotten.` : `There was no token for ${origin}.`,
  );
}

function askUrl(title: string): Thenable<string | undefined> {
  const backend = vscode.workspace.getConfiguration("midfill.backend");
  const current = serverUrl(backend.get<string>("kind", "engine"), backend.get<string | null>("url"));
  return vscode.window.showInputBox({
    title,
    value: current ?? "https://router.huggingface.co",
    prompt: "The server's address, as in midfill.backend.url",
    ignoreFocusOut: true,
    validateInput: (value) =>
      originOf(value) === undefined ? "An address that begins with https:// or http://" : undefined,
  });
}
