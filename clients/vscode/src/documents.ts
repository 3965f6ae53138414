/** Which documents Midfill works in: those that the language server gets to know. */

import * as vscode from "vscode";

/** `vscode-vfs` is of repositories that are nowhere cloned. The conditions of package.json name them too. */
export const SCHEMES: readonly string[] = [
  "file",
  "untitled",
  "vscode-notebook-cell",
  "vscode-remote",
  "vscode-vfs",
  "memfs",
];

/** What else may be in front, in words. */
const WORDS: Readonly<Record<string, string>> = {
  git: "a version of a file in git",
  "midfill-preview": "the preview of a change",
  "midfill-statistics": "a page of numbers",
  output: "the Output panel",
};

/** Whether the language server gets to know a document. */
export function isKnown({ uri }: vscode.TextDocument): boolean {
  return SCHEMES.includes(uri.scheme);
}

/** Returns the editor in front if Midfill works in its document; else tells the user why not. */
export function editorInFront(): vscode.TextEditor | undefined {
  const editor = vscode.window.activeTextEditor;
  if (editor && isKnown(editor.document)) return editor;
  const scheme = editor?.document.uri.scheme;
  const text =
    scheme === undefined
      ? "open a file first."
      : `this works in files; in front is ${WORDS[scheme] ?? `a document of the kind ${scheme}`}.`;
  void vscode.window.showWarningMessage(`Midfill: ${text}`);
  return undefined;
}
