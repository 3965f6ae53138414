/** Tells the server what was shown, accepted and partly accepted, and gives the commands for it. */

import * as vscode from "vscode";
import type { InlineCompletionItem, LanguageClient } from "vscode-languageclient/node";

import { partTaken } from "./accepted";
import type { Place } from "./growth";
import { textOf } from "./items";

export class GhostEvents implements vscode.Disposable {
  private last: { place: Place; text: string; item: InlineCompletionItem } | undefined;
  /** The id of the item that the server was last told of as shown. */
  private toldId: unknown;
  private isCommand = false;
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly client: () => LanguageClient | undefined) {
    this.subscriptions = [
      vscode.workspace.onDidChangeTextDocument((event) => {
        this.look(event);
      }),
      vscode.commands.registerCommand("midfill.didAccept", (...ids: unknown[]) => this.accepted(ids)),
      vscode.commands.registerCommand("midfill.acceptNextWord", () =>
        this.acceptPart("editor.action.inlineSuggest.acceptNextWord"),
      ),
      vscode.commands.registerCommand("midfill.acceptNextLine", () =>
        this.acceptPart("editor.action.inlineSuggest.acceptNextLine"),
      ),
    ];
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  /** Takes note of what is shown. The server is told once of an item that grows. */
  showing(place: Place, item: InlineCompletionItem): void {
    this.last = { place, text: textOf(item), item };
    const id: unknown = item.command?.arguments?.[0];
    if (id === undefined || id === this.toldId) return;
    this.toldId = id;
    void this.client()?.sendNotification("textDocument/didShowCompletion", { item });
  }

  private async accepted(ids: unknown[]): Promise<void> {
    this.last = undefined;
    if (ids.length === 0) return; // run by hand
    const params = { command: "midfill.accepted", arguments: ids };
    await this.client()?.sendRequest("workspace/executeCommand", params);
  }

  private async acceptPart(command: string): Promise<void> {
    this.isCommand = true;
    try {
      await vscode.commands.executeCommand(command);
    } finally {
      this.isCommand = false;
    }
  }

  private look(event: vscode.TextDocumentChangeEvent): void {
    const [change] = event.contentChanges;
    if (!this.last || !change || event.document.uri.toString() !== this.last.place.uri) return;
    const isInsertion = event.contentChanges.length === 1 && change.range.isEmpty;
    const shown = this.last;
    this.last = undefined; // whatever it was, the suggestion is another one now
    if (!isInsertion) return;
    const { line, character } = change.range.start;
    const { uri, version } = event.document;
    const edit = { uri: uri.toString(), version, line, character, text: change.text };
    const acceptedLength = partTaken(shown, edit, this.isCommand);
    if (acceptedLength === 0) return;
    void this.client()?.sendNotification("textDocument/didPartiallyAcceptCompletion", {
      item: shown.item,
      acceptedLength,
    });
  }
}
