/**
 * Ghost text: answers VS Code's inline completion from `midfill/completion`, which streams.
 *
 * The first text is the answer. When more has come, the editor is made to ask again (`nudge`), and
 * that request is answered from the same stream. To VS Code such a request is an explicit one; the
 * server never sees it. While the user types, the server is asked before the editor does (`early`).
 */

import * as vscode from "vscode";
import type { InlineCompletionItem, LanguageClient } from "vscode-languageclient/node";

import { partTaken } from "./accepted";
import { Early } from "./early";
import { samePlace, type Place } from "./growth";
import { itemOf, placeOf, textOf } from "./items";
import { mark } from "./marks";
import { Nudge } from "./nudge";
import { Stream } from "./stream";

const { Automatic, Invoke } = vscode.InlineCompletionTriggerKind;

type Answer = vscode.InlineCompletionItem[];

export interface GhostParts {
  readonly client: () => LanguageClient | undefined;
  /** Whether automatic requests are let through. */
  readonly isOpen: () => boolean;
  /** Called each time something is shown, also where it is longer than before. */
  readonly onShowing: (place: Place, item: InlineCompletionItem) => void;
  readonly onError: (error: unknown) => void;
}

export class GhostText implements vscode.Disposable {
  private running: Stream | undefined;
  /** What was shown last of a suggestion that grew: the editor keeps an earlier text before it. */
  private grown: { readonly place: Place; readonly text: string } | undefined;
  /** A document that was changed, until its cursor has followed. */
  private changed: vscode.TextDocument | undefined;
  private readonly early = new Early();
  private readonly nudge = new Nudge({
    isRunning: (stream) => stream === this.running,
    onDismissed: (stream) => {
      mark("dismissed", stream.growth.place);
      this.leave();
    },
  });
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly parts: GhostParts) {
    this.subscriptions = [
      vscode.workspace.onDidChangeTextDocument((event) => {
        if (event.contentChanges.length === 0) return;
        this.changed = event.document;
        if (event.document === this.running?.document) this.leave();
      }),
      vscode.window.onDidChangeTextEditorSelection((event) => {
        this.cursorMoved(event);
      }),
      vscode.window.onDidChangeActiveTextEditor(() => {
        this.leave();
      }),
    ];
  }

  dispose(): void {
    this.leave();
    this.nudge.dispose();
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  /** Answers one request of the editor. */
  async provide(
    document: vscode.TextDocument,
    position: vscode.Position,
    context: vscode.InlineCompletionContext,
    token: vscode.CancellationToken,
  ): Promise<Answer> {
    const place = placeOf(document, position);
    const running = this.running;
    const nudge = context.triggerKind === Invoke ? this.nudge.take() : undefined;
    if (nudge !== undefined) {
      if (running && samePlace(running.growth.place, place)) {
        return nudge === "more" ? this.showMore(running) : this.showAgain(running);
      }
      // The user typed meanwhile: this stands for the request that the key makes.
      context = { ...context, triggerKind: Automatic };
    }
    mark("asked", place, { triggerKind: context.triggerKind });
    const isAutomatic = context.triggerKind === Automatic;
    const isPlain = isAutomatic && context.selectedCompletionInfo === undefined;
    this.early.editorAsked(place.uri, isPlain);
    // Asked early, or VS Code asks again at one place, as it may before something is drawn.
    const stream =
      isPlain && running && samePlace(running.growth.place, place)
        ? running
        : this.begin(document, position, context, false);
    return stream ? this.answer(stream, context, token) : [];
  }

  private async answer(
    stream: Stream,
    context: vscode.InlineCompletionContext,
    token: vscode.CancellationToken,
  ): Promise<Answer> {
    // What goes on from a menu's item is drawn beside the menu: it comes whole.
    const what = context.selectedCompletionInfo ? "finished" : "begun";
    if (!(await stream.waiting.until(what, token))) return [];
    const { growth } = stream;
    const standsBehind = growth.isFinished && this.goesOn(stream);
    const items = this.show(stream);
    if (standsBehind) {
      growth.stoodBehind();
      void this.nudge.tell(stream);
    } else if (growth.isFinished) {
      this.leaveOnly(stream);
    }
    return items;
  }

  /** Whether a part of what grew was accepted, and this is the rest. */
  private goesOn({ document, position, growth: { place } }: Stream): boolean {
    if (!this.grown) return false;
    const { line, character } = this.grown.place;
    const taken = document.getText(new vscode.Range(line, character, position.line, position.character));
    return partTaken(this.grown, { ...place, line, character, text: taken }, true) > 0;
  }

  /** Asks the server, unless it is not to be asked now. */
  private begin(
    document: vscode.TextDocument,
    position: vscode.Position,
    context: vscode.InlineCompletionContext,
    isEarly: boolean,
  ): Stream | undefined {
    this.leave();
    const client = this.parts.client();
    if (!client || (context.triggerKind === Automatic && !this.parts.isOpen())) return undefined;
    const { onError } = this.parts;
    const stream = new Stream(client, document, position, context, { isEarly, onError });
    stream.growth.onMore = () => void this.nudge.tell(stream);
    stream.waiting.onNobody = () => {
      this.leaveOnly(stream);
      stream.end();
    };
    this.running = stream;
    return stream;
  }

  private cursorMoved(event: vscode.TextEditorSelectionChangeEvent): void {
    const { document } = event.textEditor;
    const [selection] = event.selections;
    if (!selection) return;
    const running = this.running;
    if (document === running?.document && !selection.active.isEqual(running.position)) this.leave();
    const isOfChange = document === this.changed;
    this.changed = undefined;
    if (!isOfChange || event.selections.length > 1 || !selection.isEmpty) return;
    if (event.textEditor !== vscode.window.activeTextEditor) return;
    if (!this.early.take(document.uri.toString())) return;
    const context = { triggerKind: Automatic, selectedCompletionInfo: undefined };
    this.begin(document, selection.active, context, true);
  }

  private show(stream: Stream): Answer {
    const { growth, document, position } = stream;
    const { items, isFinished } = growth.show();
    if (items[0]) this.parts.onShowing(growth.place, items[0]);
    mark("answered", growth.place, { numItems: items.length, isFinished });
    return items.map((item) => itemOf(item, document, position));
  }

  /** Answers with what has come since something was shown. */
  private showMore(stream: Stream): Answer {
    const { growth } = stream;
    const items = this.show(stream);
    if (growth.shownItem) this.grown = { place: growth.place, text: textOf(growth.shownItem) };
    if (growth.isFinished) this.leaveOnly(stream);
    return items;
  }

  /** Answers with what is shown already. */
  private showAgain({ growth, document, position }: Stream): Answer {
    return growth.shownItem ? [itemOf(growth.shownItem, document, position)] : [];
  }

  /** Leaves a suggestion if it runs. */
  private leaveOnly(stream: Stream): void {
    if (this.running === stream) this.leave();
  }

  /** Leaves the suggestion that runs. */
  private leave(): void {
    const running = this.running;
    this.running = undefined;
    running?.end();
  }
}
