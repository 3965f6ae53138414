/** What a command on the editor's menu is about: the selection, the symbol around the cursor, the file. */

import * as vscode from "vscode";

import { attachmentOf, type Attachment } from "./attachments";

/** Symbols that are worth a question of their own. */
const KINDS = new Set([
  vscode.SymbolKind.Class,
  vscode.SymbolKind.Constructor,
  vscode.SymbolKind.Enum,
  vscode.SymbolKind.Function,
  vscode.SymbolKind.Interface,
  vscode.SymbolKind.Method,
  vscode.SymbolKind.Struct,
]);

export async function targetIn(editor: vscode.TextEditor): Promise<Attachment> {
  const { document, selection } = editor;
  if (!selection.isEmpty) return attachmentOf(document.uri, selection);
  const found = await vscode.commands
    .executeCommand("vscode.executeDocumentSymbolProvider", document.uri)
    .then(symbolsOf, () => []);
  return attachmentOf(document.uri, innermost(found, selection.active)?.range);
}

/** Providers of the older kind give a flat list without the ranges of what is inside. */
function symbolsOf(found: unknown): vscode.DocumentSymbol[] {
  return Array.isArray(found) ? (found as vscode.DocumentSymbol[]).filter((one) => "children" in one) : [];
}

function innermost(
  symbols: readonly vscode.DocumentSymbol[],
  position: vscode.Position,
): vscode.DocumentSymbol | undefined {
  const around = symbols.find((symbol) => symbol.range.contains(position));
  if (!around) return undefined;
  return innermost(around.children, position) ?? (KINDS.has(around.kind) ? around : undefined);
}
