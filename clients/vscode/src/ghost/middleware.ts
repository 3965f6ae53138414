/**
 * Ghost text: answers VS Code's inline completion from `midfill/completion`, which streams.
 *
 * The first text is the answer. When more has come, the editor is made to ask again, and that
 * request is answered from the same stream. To VS Code such a request is an explicit one; the
 * server never sees it.
 *
 * Two habits of VS Code stand in the way. It asks a second time at one place and version only if
 * the set of providers is another one by then: so each time a provider that has nothing takes the
 * place of the one before. And it keeps what is shown as the first of the suggestions, and puts
 * what has come behind it: so it is made to show the next one, which asks as well.
 */

import * as vscode from "vscode";
import {
  ProgressType,
  Range,
  type InlineCompletionItem,
  type InlineCompletionList,
  type LanguageClient,
} from "vscode-languageclient/node";

import { Growth, samePlace, type Place } from "./growth";

const TRIGGER = "editor.action.inlineSuggest.trigger";
const SHOW_NEXT = "editor.action.inlineSuggest.showNext";
const PROGRESS = new ProgressType<{ insertText: string }>();

type Suggestion = Growth<InlineCompletionItem>;
type Answer = vscode.InlineCompletionItem[];

export interface GhostParts {
  readonly client: () => LanguageClient | undefined;
  /** Whether automatic requests are let through. */
  readonly isOpen: () => boolean;
  /** Called each time something is shown; with the server's item once that is there. */
  readonly onShowing: (place: Place, item: InlineCompletionItem) => void;
  readonly onError: (error: unknown) => void;
}

interface Running {
  readonly growth: Suggestion;
  readonly cancel: vscode.CancellationTokenSource;
  readonly document: vscode.TextDocument;
  readonly position: vscode.Position;
}

let counter = 0;

export class GhostText implements vscode.Disposable {
  private running: Running | undefined;
  /** The editor is being made to ask; whether it has. */
  private triggering: { wasAsked: boolean } | undefined;
  private empty: vscode.Disposable | undefined;
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly parts: GhostParts) {
    this.subscriptions = [
      vscode.workspace.onDidChangeTextDocument((event) => {
        if (event.document === this.running?.document && event.contentChanges.length > 0) {
          this.leave();
        }
      }),
      vscode.window.onDidChangeTextEditorSelection((event) => {
        const running = this.running;
        if (event.textEditor.document !== running?.document) return;
        if (!event.selections[0]?.active.isEqual(running.position)) this.leave();
      }),
      vscode.window.onDidChangeActiveTextEditor(() => {
        this.leave();
      }),
    ];
  }

  dispose(): void {
    this.leave();
    this.empty?.dispose();
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
    const isInvoked = context.triggerKind === vscode.InlineCompletionTriggerKind.Invoke;
    if (isInvoked && this.triggering && !this.triggering.wasAsked) {
      this.triggering.wasAsked = true;
      if (running && samePlace(running.growth.place, place)) return this.show(running);
      // The user typed meanwhile: this stands for the request that the key makes.
      context = { ...context, triggerKind: vscode.InlineCompletionTriggerKind.Automatic };
    }
    const isAutomatic = context.triggerKind === vscode.InlineCompletionTriggerKind.Automatic;
    this.leave();
    const client = this.parts.client();
    if (!client || (isAutomatic && !this.parts.isOpen())) return [];
    const started = this.ask(client, document, position, context);
    const dropped = token.onCancellationRequested(() => {
      if (this.running === started) this.leave();
      else started.cancel.cancel();
    });
    if (context.selectedCompletionInfo) await started.growth.end();
    else await started.growth.begin();
    dropped.dispose();
    return token.isCancellationRequested ? [] : this.show(started);
  }

  private ask(
    client: LanguageClient,
    document: vscode.TextDocument,
    position: vscode.Position,
    context: vscode.InlineCompletionContext,
  ): Running {
    const growth: Suggestion = new Growth(placeOf(document, position), textOf);
    const cancel = new vscode.CancellationTokenSource();
    const running: Running = { growth, cancel, document, position };
    this.running = running;
    growth.onMore = () => void this.askAgain(running);
    const partialResultToken = `ghost-${++counter}`;
    const progress = client.onProgress(PROGRESS, partialResultToken, (value) => {
      growth.grow(value.insertText);
    });
    const params = client.code2ProtocolConverter.asInlineCompletionParams(document, position, context);
    client
      .sendRequest<InlineCompletionList>(
        "midfill/completion",
        { ...params, selection: selectionIn(document), partialResultToken },
        cancel.token,
      )
      .then(
        (list) => {
          growth.finish(list.items);
        },
        (error: unknown) => {
          if (!cancel.token.isCancellationRequested) this.parts.onError(error);
          growth.finish([]);
        },
      )
      .finally(() => {
        progress.dispose();
      });
    return running;
  }

  /** Makes the editor ask for what has come since, once at a time. */
  private async askAgain(running: Running): Promise<void> {
    if (this.triggering) return;
    while (this.running === running && running.growth.hasMore && isInPlace(running)) {
      const wasAsked = running.growth.isLonger
        ? (await this.provoke(running, SHOW_NEXT)) || (await this.provokeFirst(running))
        : await this.provoke(running, TRIGGER);
      if (!wasAsked) break; // the editor shows something else, and would not ask the next time
    }
    // The next request that the user makes here must reach the server.
    if (running.growth.isFinished) this.changeProviders(running.document);
  }

  /** Makes the editor ask where it has not drawn the first text yet, and so knows no next one. */
  private async provokeFirst(running: Running): Promise<boolean> {
    const wasAsked = await this.provoke(running, TRIGGER);
    // It may have drawn it meanwhile, and have put what came behind it.
    if (wasAsked && running.growth.numItems <= 1) await vscode.commands.executeCommand(SHOW_NEXT);
    return wasAsked;
  }

  /** Runs a command that makes the editor ask. Returns whether it has. */
  private async provoke(running: Running, command: string): Promise<boolean> {
    const trigger = { wasAsked: false };
    this.triggering = trigger;
    this.changeProviders(running.document);
    try {
      await vscode.commands.executeCommand(command);
    } finally {
      this.triggering = undefined;
    }
    return trigger.wasAsked;
  }

  private changeProviders(document: vscode.TextDocument): void {
    const before = this.empty;
    const { scheme } = document.uri;
    const nothing = { provideInlineCompletionItems: () => [] };
    this.empty = vscode.languages.registerInlineCompletionItemProvider(
      { scheme, language: document.languageId },
      nothing,
    );
    before?.dispose();
  }

  private show(running: Running): Answer {
    const { growth, document, position } = running;
    const showing = growth.show();
    if (showing.kind === "growing") {
      this.parts.onShowing(growth.place, { insertText: showing.text });
      const item = new vscode.InlineCompletionItem(
        showing.text,
        new vscode.Range(position, position),
        { title: "", command: "midfill.didAccept", arguments: [] },
      );
      return [item];
    }
    const first = showing.items[0];
    if (first) this.parts.onShowing(growth.place, first);
    if (this.running === running) this.leave();
    return showing.items.map((item) => itemOf(item, document, position));
  }

  /** Leaves the suggestion that runs; what was shown of it stays until the editor asks again. */
  private leave(): void {
    const running = this.running;
    if (!running) return;
    this.running = undefined;
    running.growth.onMore = () => undefined;
    running.cancel.cancel();
    running.growth.finish([]);
  }
}

function placeOf(document: vscode.TextDocument, position: vscode.Position): Place {
  const { line, character } = position;
  return { uri: document.uri.toString(), version: document.version, line, character };
}

function isInPlace(running: Running): boolean {
  const editor = vscode.window.activeTextEditor;
  if (editor?.document !== running.document || !editor.selection.isEmpty) return false;
  return samePlace(running.growth.place, placeOf(running.document, editor.selection.active));
}

/** Returns what is selected in the document, undefined for nothing. */
function selectionIn(document: vscode.TextDocument): Range | undefined {
  const editor = vscode.window.activeTextEditor;
  if (editor?.document !== document || editor.selection.isEmpty) return undefined;
  const { start, end } = editor.selection;
  return Range.create(start.line, start.character, end.line, end.character);
}

/** Returns what an item inserts. */
export function textOf(item: InlineCompletionItem): string {
  return typeof item.insertText === "string" ? item.insertText : item.insertText.value;
}

function itemOf(
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
