/**
 * What goes along with the next question: the selection or the file in front, unless the user took
 * it away, and what they added. The selection comes first: `/fix` and `/doc` are about that.
 */

import * as path from "node:path";
import * as vscode from "vscode";

import { isKnown } from "../documents";
import { moved } from "../preview/places";
import type { Span } from "./turns";
import type { Chip, Chips } from "./wire";

/** As many as the server takes. */
const MAX_SENT = 8;

export interface Attachment {
  readonly uri: vscode.Uri;
  /** Null for the whole file. */
  readonly range: Span | null;
}

export class Attachments implements vscode.Disposable {
  private front: Attachment | undefined;
  private isFrontSent = true;
  private added: Attachment[] = [];
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changed.event;
  private readonly subscriptions: Pick<vscode.Disposable, "dispose">[];

  constructor() {
    this.subscriptions = [
      this.changed,
      vscode.window.onDidChangeActiveTextEditor((editor) => {
        this.look(editor);
      }),
      vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => {
        if (textEditor === vscode.window.activeTextEditor) this.look(textEditor);
      }),
      vscode.window.tabGroups.onDidChangeTabs(() => {
        if (this.front && !isInTab(this.front.uri)) this.become(undefined);
      }),
      vscode.workspace.onDidChangeTextDocument((event) => {
        this.follow(event);
      }),
    ];
    this.look(vscode.window.activeTextEditor);
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  /** What is sent, the most important first. */
  get sent(): readonly Attachment[] {
    const front = this.isFrontSent && this.front ? [this.front] : [];
    const all = [...front, ...this.added];
    return all.filter((one, idx) => all.findIndex((other) => keyOf(other) === keyOf(one)) === idx);
  }

  get chips(): Chips {
    const offered = !this.isFrontSent && this.front ? chipOf(this.front) : null;
    return { sent: this.sent.map(chipOf), offered };
  }

  /** Adds one for good; of too many the oldest goes. */
  add(attachment: Attachment): void {
    const others = this.added.filter((other) => keyOf(other) !== keyOf(attachment));
    this.added = [...others, attachment].slice(1 - MAX_SENT);
    this.changed.fire();
  }

  remove(key: string): void {
    if (this.front && keyOf(this.front) === key) this.isFrontSent = false;
    this.added = this.added.filter((attachment) => keyOf(attachment) !== key);
    this.changed.fire();
  }

  /** Lets the file in front go along again. */
  sendFront(): void {
    this.isFrontSent = true;
    this.changed.fire();
  }

  /** Forgets what was added and taken away. */
  clear(): void {
    this.added = [];
    this.isFrontSent = true;
    this.changed.fire();
  }

  private look(editor: vscode.TextEditor | undefined): void {
    // Between two editors there is none, and a preview or the log is none to talk about.
    if (!editor || !isKnown(editor.document)) return;
    this.become(attachmentOf(editor.document.uri, editor.selection));
  }

  private become(front: Attachment | undefined): void {
    const had = this.front && keyOf(this.front);
    this.front = front;
    if (had !== (front && keyOf(front))) this.changed.fire();
  }

  private follow({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    const uri = document.uri.toString();
    if (!this.added.some((attachment) => attachment.range && attachment.uri.toString() === uri)) return;
    this.added = this.added.flatMap((attachment) => {
      if (!attachment.range || attachment.uri.toString() !== uri) return [attachment];
      let range: Span | undefined = attachment.range;
      for (const edit of contentChanges) range = range && moved(range, edit);
      return range ? [{ ...attachment, range }] : []; // it is another piece of code by now
    });
    this.changed.fire();
  }
}

export function attachmentOf(uri: vscode.Uri, range: vscode.Range | undefined): Attachment {
  return { uri, range: range && !range.isEmpty ? spanOfRange(range) : null };
}

export function spanOfRange({ start, end }: vscode.Range): Span {
  return {
    start: { line: start.line, character: start.character },
    end: { line: end.line, character: end.character },
  };
}

/** Returns the name of an attachment, as chips have it. */
export function labelOf({ uri, range }: Attachment): string {
  const name = path.posix.basename(uri.path);
  return range ? `${name}:${linesOf(range)}` : name;
}

function chipOf(attachment: Attachment): Chip {
  const whole = vscode.workspace.asRelativePath(attachment.uri);
  const title = attachment.range ? `${whole}, lines ${linesOf(attachment.range)}` : `${whole}, all of it`;
  return { key: keyOf(attachment), label: labelOf(attachment), title };
}

function keyOf({ uri, range }: Attachment): string {
  return JSON.stringify([uri.toString(), range]);
}

/** Whether a document has a tab, or is on a side of a diff that has one. */
function isInTab(uri: vscode.Uri): boolean {
  const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
  const isIt = (other: vscode.Uri): boolean => other.toString() === uri.toString();
  return tabs.some(({ input }) => {
    if (input instanceof vscode.TabInputText) return isIt(input.uri);
    if (input instanceof vscode.TabInputTextDiff) return isIt(input.original) || isIt(input.modified);
    return input instanceof vscode.TabInputNotebook && input.uri.path === uri.path; // it is a cell
  });
}

/** Lines from 1; one that the selection only touches at its start is none of them. */
function linesOf({ start, end }: Span): string {
  const last = end.character === 0 && end.line > start.line ? end.line : end.line + 1;
  return last > start.line + 1 ? `${start.line + 1}-${last}` : String(start.line + 1);
}
