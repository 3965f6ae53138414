/** What can be done with a block of code in an answer: copy, insert, apply, a new file. */

import * as vscode from "vscode";

import { editorInFront } from "../documents";
import { findAgain, laidOut } from "../preview/places";
import { SCHEME, type Change, type Preview } from "../preview/preview";
import { spanOfRange } from "./attachments";
import type { Place, Turn } from "./turns";
import type { BlockAction, BlockRef } from "./wire";

/** Names that models give to languages, where VS Code has others. */
const LANGUAGES: Readonly<Record<string, string>> = {
  bash: "shellscript",
  "c++": "cpp",
  cs: "csharp",
  js: "javascript",
  jsx: "javascriptreact",
  py: "python",
  rb: "ruby",
  rs: "rust",
  sh: "shellscript",
  shell: "shellscript",
  ts: "typescript",
  tsx: "typescriptreact",
  yml: "yaml",
};

/** Does it; `turn` is the block's. Returns whether the block is shown as a change. */
export async function act(
  action: BlockAction,
  block: BlockRef,
  turn: Turn | undefined,
  preview: Preview,
): Promise<boolean> {
  switch (action) {
    case "copy":
      await vscode.env.clipboard.writeText(block.text);
      return false;
    case "insert":
      await insert(block.text);
      return false;
    case "newFile":
      await newFile(block);
      return false;
    case "apply": {
      const place = turn?.blocks.find((one) => one.startLine === block.startLine)?.place;
      const change = place ? await changeAt(place) : await changeInFront(block.text, preview);
      if (!change) return false;
      await preview.show(change, true);
      return preview.change === change;
    }
  }
}

async function insert(code: string): Promise<void> {
  const editor = targetEditor();
  if (!editor) return;
  const { document, selections } = editor;
  const { version } = document;
  const isTaken = await editor.edit((edit) => {
    for (const selection of selections) {
      edit.replace(selection, laidOut(code, headOf(document, selection), document.getText(selection)));
    }
  });
  // VS Code says that it took the edit of a document that is read-only, too.
  if (!isTaken || document.version === version) {
    const why = isTaken ? "is what is in front read-only?" : "what is in front has changed meanwhile; try again.";
    void vscode.window.showWarningMessage(`Midfill: VS Code did not insert it; ${why}`);
    return;
  }
  await vscode.window.showTextDocument(document, editor.viewColumn);
}

async function newFile({ language, text }: BlockRef): Promise<void> {
  const name = LANGUAGES[language.toLowerCase()] ?? language.toLowerCase();
  const known = await vscode.languages.getLanguages();
  const options = known.includes(name) ? { language: name, content: text } : { content: text };
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(options));
}

/** The place that the server named, if what stood there still stands somewhere. */
async function changeAt(place: Place): Promise<Change | undefined> {
  const uri = vscode.Uri.parse(place.uri, true);
  const { line, character } = place.range.start;
  const document = await vscode.workspace.openTextDocument(uri).then(
    (opened) => opened,
    () => undefined, // it was deleted or renamed
  );
  const offset = document?.offsetAt(new vscode.Position(line, character)) ?? 0;
  const found = document && findAgain(document.getText(), place.before, offset);
  if (!document || found === undefined) {
    const what = document ? "the code that this was written for has changed" : "the file that this was written for is gone";
    void vscode.window.showWarningMessage(`Midfill: ${what}. Ask again, or insert it at the cursor.`);
    return undefined;
  }
  const end = document.positionAt(found + place.before.length);
  const range = spanOfRange(new vscode.Range(document.positionAt(found), end));
  return { uri, range, before: place.before, newText: place.newText };
}

/**
 * Without a place of its own, a block takes the place of the selection, or goes to the cursor; where
 * a change is looked at, it goes where that would.
 */
async function changeInFront(code: string, preview: Preview): Promise<Change | undefined> {
  const place = preview.placeInFront ?? selectionInFront();
  if (!place) return undefined;
  const { uri, range } = place;
  const document = await vscode.workspace.openTextDocument(uri);
  const before = document.getText(range);
  const newText = laidOut(code, headOf(document, range), before);
  return { uri, range: spanOfRange(range), before, newText };
}

function selectionInFront(): vscode.Location | undefined {
  const editor = targetEditor() && editorInFront();
  return editor && new vscode.Location(editor.document.uri, editor.selection);
}

/** Where code may be inserted, in whatever document; else tells the user. */
function targetEditor(): vscode.TextEditor | undefined {
  const editor = vscode.window.activeTextEditor;
  if (editor && editor.document.uri.scheme !== SCHEME) return editor;
  void vscode.window.showInformationMessage("Midfill: open the file that the code shall go to first.");
  return undefined;
}

function headOf(document: vscode.TextDocument, { start }: vscode.Range): string {
  return document.lineAt(start.line).text.slice(0, start.character);
}
