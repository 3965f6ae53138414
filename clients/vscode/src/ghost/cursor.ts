/** Tells the server where the cursor came without typing: the engine reads what stands there ahead. */

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

import { isKnown } from "../documents";

export interface CursorParts {
  readonly client: () => LanguageClient | undefined;
  /** Whether suggestions come by themselves. */
  readonly isOpen: () => boolean;
}

/** Watches the cursors of this window. */
export function watchCursor({ client, isOpen }: CursorParts): vscode.Disposable {
  /** At which version a document's cursor was last seen: at another one it is typing that moved it. */
  const versions = new WeakMap<vscode.TextDocument, number>();

  const tell = ({ document, selections }: vscode.TextEditor): void => {
    versions.set(document, document.version);
    const [selection, ...more] = selections;
    const to = client();
    const isShown = vscode.workspace.getConfiguration("editor", document).get<boolean>("inlineSuggest.enabled", true);
    if (!to || !isShown || !isOpen() || !isKnown(document) || more.length > 0 || !selection?.isEmpty) return;
    void to.sendNotification("midfill/didMoveCursor", {
      textDocument: { uri: to.code2ProtocolConverter.asUri(document.uri) },
      position: to.code2ProtocolConverter.asPosition(selection.active),
    });
  };

  const subscriptions = [
    vscode.window.onDidChangeActiveTextEditor((editor) => {
      if (editor) tell(editor);
    }),
    vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => {
      if (textEditor !== vscode.window.activeTextEditor) return; // the same file, beside: typing moves its cursor too
      const { document } = textEditor;
      const seen = versions.get(document) ?? document.version;
      if (seen === document.version) tell(textEditor);
      else versions.set(document, document.version);
    }),
  ];
  return vscode.Disposable.from(...subscriptions);
}
