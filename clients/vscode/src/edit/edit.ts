/** Rewrites the selection as the user says: `midfill/edit`, shown as a change that grows. */

import * as vscode from "vscode";
import { ProgressType, type LanguageClient, type TextDocumentEdit, type TextEdit } from "vscode-languageclient/node";

import { wordsOf } from "../chat/ask";
import { spanOfRange } from "../chat/attachments";
import type { Span } from "../chat/turns";
import { editorInFront } from "../documents";
import { halfWritten, moved } from "../preview/places";
import { rangeOf, type Change, type Preview } from "../preview/preview";

const PROGRESS = new ProgressType<{ newText: string }>();

interface Reply {
  readonly edit: { readonly documentChanges?: readonly TextDocumentEdit[] };
  readonly notes: readonly string[];
}

export interface EditParts {
  /** Waits for a server that starts; rejects with a sentence for the user if there is none. */
  readonly findClient: () => Promise<LanguageClient>;
  readonly preview: Preview;
}

let counter = 0;

/** Asks what to do with the selection, and shows what comes of it. */
export async function editSelection(parts: EditParts): Promise<void> {
  const editor = editorInFront();
  if (!editor) return;
  if (vscode.workspace.fs.isWritableFileSystem(editor.document.uri.scheme) === false) {
    void vscode.window.showWarningMessage("Midfill: this file is read-only.");
    return;
  }
  const { document, selection } = editor;
  const followed = follow(document, selection); // the user may go on in the document before they answer
  const instruction = await askInstruction(selection.isEmpty);
  if (instruction === undefined || instruction.trim() === "") {
    followed.end();
    return;
  }
  await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: `Midfill: ${instruction}`, cancellable: true },
    async (_, token) => {
      const client = await parts.findClient().catch((error: unknown) => {
        void vscode.window.showErrorMessage(`Midfill: ${wordsOf(error)}`);
      });
      const range = followed.end();
      if (!client || token.isCancellationRequested) return;
      if (!range) {
        void vscode.window.showWarningMessage("Midfill: the code has changed there meanwhile. Ask again.");
        return;
      }
      await new Edit(client, parts.preview, document, fromLineStart(document, range)).run(instruction, token);
    },
  );
}

function askInstruction(isForNew: boolean): Thenable<string | undefined> {
  return vscode.window.showInputBox({
    title: isForNew ? "Midfill: what shall be written here?" : "Midfill: what shall become of the selection?",
    placeHolder: isForNew ? "such as: a function that parses a date" : "such as: add type hints",
    ignoreFocusOut: true,
  });
}

/** Follows a range through the edits of its document; `end` returns where it is, undefined if one touched it. */
function follow(document: vscode.TextDocument, range: vscode.Range): { end: () => vscode.Range | undefined } {
  let now: Span | undefined = spanOfRange(range);
  const subscription = vscode.workspace.onDidChangeTextDocument((event) => {
    if (event.document !== document) return;
    for (const edit of event.contentChanges) now = now && moved(now, edit);
  });
  return {
    end: () => {
      subscription.dispose();
      return now && rangeOf(now);
    },
  };
}

class Edit {
  /** What the preview was last asked to show. */
  private change: Change | undefined;
  private begun: Promise<void> = Promise.resolve();
  private readonly before: string;

  constructor(
    private readonly client: LanguageClient,
    private readonly preview: Preview,
    private readonly document: vscode.TextDocument,
    private readonly range: vscode.Range,
  ) {
    this.before = document.getText(range);
  }

  /** Resolves when the change is whole, or there is none; tells the user why. */
  async run(instruction: string, token: vscode.CancellationToken): Promise<void> {
    const { client, preview } = this;
    const cancel = new vscode.CancellationTokenSource();
    const subscriptions = [
      token.onCancellationRequested(() => {
        cancel.cancel();
      }),
      preview.onDidEnd((change) => {
        if (change === this.change) cancel.cancel(); // the user closed it, or began another
      }),
    ];
    const partialResultToken = `edit-${++counter}`;
    subscriptions.push(
      client.onProgress(PROGRESS, partialResultToken, ({ newText }) => {
        if (!cancel.token.isCancellationRequested) this.grow(newText);
      }),
    );
    const { uri, version } = client.code2ProtocolConverter.asVersionedTextDocumentIdentifier(this.document);
    const range = client.code2ProtocolConverter.asRange(this.range);
    const params = { textDocument: { uri, version }, range, instruction, partialResultToken };
    try {
      const reply = await client.sendRequest<Reply>("midfill/edit", params, cancel.token);
      await this.begun;
      if (cancel.token.isCancellationRequested) await this.takeBack();
      else await this.end(reply);
    } catch (error) {
      await this.takeBack();
      if (!cancel.token.isCancellationRequested) void vscode.window.showErrorMessage(`Midfill: ${wordsOf(error)}`);
    } finally {
      for (const subscription of subscriptions) subscription.dispose();
    }
  }

  private grow(newText: string): void {
    const soFar = halfWritten(this.before, newText);
    if (this.change) this.preview.grow(this.change, soFar, false);
    else this.begun = this.show(this.range, this.before, soFar, false);
  }

  private show(range: vscode.Range, before: string, newText: string, isWhole: boolean): Promise<void> {
    this.change = { uri: this.document.uri, range: spanOfRange(range), before, newText };
    return this.preview.show(this.change, isWhole);
  }

  private async takeBack(): Promise<void> {
    await this.begun;
    if (this.change) await this.preview.reject(this.change);
  }

  private async end({ edit, notes }: Reply): Promise<void> {
    const [change] = edit.documentChanges?.flatMap((one) => one.edits as TextEdit[]) ?? [];
    for (const note of notes) void vscode.window.showInformationMessage(`Midfill: ${note}`);
    if (!change) {
      await this.takeBack();
      void vscode.window.showInformationMessage("Midfill: the model would change nothing.");
      return;
    }
    const range = this.client.protocol2CodeConverter.asRange(change.range);
    if (this.change && this.preview.isOf(this.change, range)) this.preview.grow(this.change, change.newText, true);
    else await this.show(range, this.document.getText(range), change.newText, true);
  }
}

/** A piece that begins in the indentation begins at the line's start, as the server has it. */
function fromLineStart(document: vscode.TextDocument, range: vscode.Range): vscode.Range {
  const start = range.start.with({ character: 0 });
  const isIndented = document.getText(new vscode.Range(start, range.start)).trim() === "";
  return isIndented && document.getText(range).trim() !== "" ? new vscode.Range(start, range.end) : range;
}
