/**
 * A change that waits for the user's word: a diff of the document as it is and as it would be.
 *
 * One at a time. Nothing is written before it is accepted, and then in one step of undo. The
 * document may be edited meanwhile: the change moves along, and is void once its place is touched.
 */

import * as path from "node:path";
import * as vscode from "vscode";

import type { Span } from "../chat/turns";
import { moved } from "./places";

export const SCHEME = "midfill-preview";
const CONTEXT = "midfill.previewState";

export interface Change {
  readonly uri: vscode.Uri;
  readonly range: Span;
  /** What stands there. */
  readonly before: string;
  readonly newText: string;
}

interface Shown {
  readonly change: Change;
  readonly side: vscode.Uri;
  range: Span | undefined;
  newText: string;
  isWhole: boolean;
}

export class Preview implements vscode.Disposable, vscode.TextDocumentContentProvider {
  private shown: Shown | undefined;
  private counter = 0;
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;
  private readonly ended = new vscode.EventEmitter<Change>();
  /** Tells which change is shown no more: it was accepted, rejected, replaced by another, or void. */
  readonly onDidEnd = this.ended.event;
  private readonly subscriptions: Pick<vscode.Disposable, "dispose">[];

  constructor() {
    this.subscriptions = [
      this.changed,
      this.ended,
      vscode.workspace.registerTextDocumentContentProvider(SCHEME, this),
      vscode.workspace.onDidChangeTextDocument((event) => {
        this.follow(event);
      }),
      vscode.window.tabGroups.onDidChangeTabs(({ closed }) => {
        const side = this.shown?.side.toString();
        if (closed.some((tab) => sideOf(tab)?.toString() === side)) this.end();
      }),
      vscode.commands.registerCommand("midfill.preview.accept", () => this.accept()),
      vscode.commands.registerCommand("midfill.preview.reject", () => this.reject()),
    ];
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  /** The change that is shown. */
  get change(): Change | undefined {
    return this.shown?.change;
  }

  /** Where the change goes, as the document is now, if its new side is in front and its place untouched. */
  get placeInFront(): vscode.Location | undefined {
    const { shown } = this;
    const inFront = vscode.window.activeTextEditor?.document.uri;
    if (!shown?.range || shown.side.toString() !== inFront?.toString()) return undefined;
    return new vscode.Location(shown.change.uri, rangeOf(shown.range));
  }

  /** Whether this change is shown, and is of this range, as the document is now. */
  isOf(change: Change, range: vscode.Range): boolean {
    const shown = this.shown;
    if (shown?.change !== change || !shown.range) return false;
    return rangeOf(shown.range).isEqual(range);
  }

  /** Shows a change in place of one that is shown. `isWhole` says that no more of it is to come. */
  async show(change: Change, isWhole: boolean): Promise<void> {
    await this.reject();
    const name = path.posix.basename(change.uri.path);
    const side = vscode.Uri.from({ scheme: SCHEME, path: change.uri.path, query: String(++this.counter) });
    this.shown = { change, side, range: change.range, newText: change.newText, isWhole: false };
    await vscode.commands.executeCommand("vscode.diff", change.uri, side, `${name}: Midfill's change`, {
      preview: true,
    });
    if (isWhole) this.grow(change, change.newText, true);
    await this.tellContext();
  }

  /** Takes a change's new text as far as it has come; does nothing once the change has ended. */
  grow(change: Change, newText: string, isWhole: boolean): void {
    if (this.shown?.change !== change) return;
    this.shown.newText = newText;
    this.shown.isWhole = isWhole;
    this.changed.fire(this.shown.side);
    void this.tellContext();
  }

  /** Returns the document as it would be. */
  async provideTextDocumentContent(side: vscode.Uri): Promise<string> {
    const shown = this.shown;
    if (shown?.side.toString() !== side.toString()) return "";
    const document = await vscode.workspace.openTextDocument(shown.change.uri);
    const text = document.getText();
    if (!shown.range) return text;
    const range = rangeOf(shown.range);
    return text.slice(0, document.offsetAt(range.start)) + shown.newText + text.slice(document.offsetAt(range.end));
  }

  /** Writes the change into the document. */
  async accept(): Promise<void> {
    const shown = this.shown;
    if (!shown?.isWhole) return;
    const { uri, before } = shown.change;
    const document = await vscode.workspace.openTextDocument(uri);
    const range = shown.range && rangeOf(shown.range);
    if (!range || document.getText(range) !== before) {
      await this.close();
      void vscode.window.showWarningMessage(
        "Midfill: the code has changed there meanwhile, so nothing was written. Ask again.",
      );
      return;
    }
    const edit = new vscode.WorkspaceEdit();
    edit.replace(uri, range, shown.newText);
    this.shown = { ...shown, range: undefined }; // its own edit is no touch of somebody's
    if (!(await vscode.workspace.applyEdit(edit))) {
      this.shown = shown;
      void vscode.window.showErrorMessage("Midfill: VS Code refused the change; is the file read-only?");
      return;
    }
    await this.close();
    const place = new vscode.Range(range.start, range.start);
    await vscode.window.showTextDocument(document, { selection: place, preview: false });
  }

  /** Takes a change away if it is the one that is shown; without one, whichever is. */
  async reject(change = this.shown?.change): Promise<void> {
    if (this.shown && this.shown.change === change) await this.close();
  }

  private async close(): Promise<void> {
    const side = this.shown?.side.toString();
    this.end();
    const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
    const tab = tabs.find((candidate) => sideOf(candidate)?.toString() === side);
    if (tab) await vscode.window.tabGroups.close(tab);
  }

  private end(): void {
    if (!this.shown) return;
    const { change } = this.shown;
    this.shown = undefined;
    void this.tellContext();
    this.ended.fire(change);
  }

  private follow({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    const shown = this.shown;
    if (document.uri.toString() !== shown?.change.uri.toString()) return;
    for (const edit of contentChanges) shown.range = shown.range && moved(shown.range, edit);
    if (contentChanges.length > 0) this.changed.fire(shown.side);
  }

  private async tellContext(): Promise<void> {
    const state = !this.shown ? "none" : this.shown.isWhole ? "ready" : "growing";
    await vscode.commands.executeCommand("setContext", CONTEXT, state);
  }
}

function sideOf(tab: vscode.Tab): vscode.Uri | undefined {
  return tab.input instanceof vscode.TabInputTextDiff ? tab.input.modified : undefined;
}

export function rangeOf({ start, end }: Span): vscode.Range {
  return new vscode.Range(start.line, start.character, end.line, end.character);
}
