/** Between VS Code's form of places and suggestions, and the protocol's. */

import * as vscode from "vscode";
import { Range, type InlineCompletionItem } from "vscode-languageclient/node";

import type { Place } from "./growth";

export function placeOf(document: vscode.TextDocument, position: vscode.Position): Place {
  const { line, character } = position;
  return { uri: document.uri.toString(), version: document.version, line, character };
}

/** Returns what is selected in the document, undefined for nothing. */
export function selectionIn(document: vscode.TextDocument): Range | undefined {
  const editor = vscode.window.activeTextEditor;
  if (editor?.document !== document || editor.selection.isEmpty) return undefined;
  const { start, end } = editor.selection;
  return Range.create(start.line, start.character, end.line, end.character);
}

/** Returns what an item inserts. */
export function textOf(item: InlineCompletionItem): string {
  return typeof item.insertText === "string" ? item.insertText : item.insertText.value;
}

/** Returns an item of the server's as VS Code takes it; without a range it stands at the position. */
export function itemOf(
  item: InlineCompletionItem,
  document: vscode.TextDocument,
  position: vscode.Position,
): vscode.InlineCompletionItem {
  const { start, end } = item.range ?? { start: position, end: position };
  const range = document.validateRange(
    new vscode.Range(start.line, start.character, end.line, end.character),
  );
  return new vscode.InlineCompletionItem(textOf(item), range, {
    title: "",
    command: "midfill.didAccept",
    arguments: item.command?.arguments ?? [],
  });
}
