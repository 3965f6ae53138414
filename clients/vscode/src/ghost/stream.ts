/** One `midfill/completion` under way: the request, and the suggestion that grows from it. */

import * as vscode from "vscode";
import {
  ProgressType,
  type InlineCompletionItem,
  type InlineCompletionList,
  type LanguageClient,
} from "vscode-languageclient/node";

import { Growth } from "./growth";
import { placeOf, selectionIn, textOf } from "./items";
import { mark } from "./marks";
import { Waiting } from "./waiting";

const PROGRESS = new ProgressType<InlineCompletionItem>();

let counter = 0;

export class Stream {
  readonly growth: Growth<InlineCompletionItem>;
  readonly waiting: Waiting;
  private readonly cancel = new vscode.CancellationTokenSource();

  /** Asks the server. */
  constructor(
    client: LanguageClient,
    readonly document: vscode.TextDocument,
    readonly position: vscode.Position,
    context: vscode.InlineCompletionContext,
    { isEarly, onError }: { isEarly: boolean; onError: (error: unknown) => void },
  ) {
    this.growth = new Growth(placeOf(document, position), textOf);
    this.waiting = new Waiting(this.growth);
    void this.run(client, context, isEarly, onError);
  }

  /** Whether the cursor still stands where the suggestion was asked for. */
  get isInPlace(): boolean {
    const editor = vscode.window.activeTextEditor;
    if (editor?.document !== this.document || !editor.selection.isEmpty) return false;
    return (
      this.document.version === this.growth.place.version &&
      editor.selection.active.isEqual(this.position)
    );
  }

  /** Ends it; what was shown of it stays until the editor asks again. */
  end(): void {
    this.growth.onMore = () => undefined;
    this.cancel.cancel();
    this.growth.finish([]);
  }

  private async run(
    client: LanguageClient,
    context: vscode.InlineCompletionContext,
    isEarly: boolean,
    onError: (error: unknown) => void,
  ): Promise<void> {
    const { growth, document, position } = this;
    const partialResultToken = `ghost-${++counter}`;
    const progress = client.onProgress(PROGRESS, partialResultToken, (item) => {
      if (!growth.hasBegun) mark("text", growth.place);
      growth.grow(item);
    });
    const params = client.code2ProtocolConverter.asInlineCompletionParams(document, position, context);
    mark("sent", growth.place, { isEarly, triggerKind: params.context.triggerKind });
    try {
      const list = await client.sendRequest<InlineCompletionList>(
        "midfill/completion",
        { ...params, selection: selectionIn(document), partialResultToken },
        this.cancel.token,
      );
      growth.finish(list.items);
    } catch (error) {
      if (!this.cancel.token.isCancellationRequested) onError(error);
      growth.finish([]);
    } finally {
      progress.dispose();
    }
  }
}
