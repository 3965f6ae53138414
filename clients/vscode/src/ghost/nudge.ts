/**
 * Makes VS Code ask again for a suggestion that has grown since it was shown.
 *
 * Three habits of VS Code stand in the way. It asks a second time at one place and version only if
 * the set of providers is another one by then: so each time a provider that has nothing takes the
 * place of the one before. It keeps what is shown as the first of the suggestions, and puts what
 * has come behind it: so it is made to show the next one, which asks as well; after a part of what
 * grew was accepted it goes back to the first, and is made to show the next one again. And it does
 * not tell when the user has sent a suggestion away: but then it does not obey that command, nor does
 * it ask by itself, and the suggestion is left in peace.
 */

import * as vscode from "vscode";

import type { Stream } from "./stream";

const TRIGGER = "editor.action.inlineSuggest.trigger";
const SHOW_NEXT = "editor.action.inlineSuggest.showNext";

/** VS Code has mostly drawn by then what it was answered. A command before that puts it off by more. */
const DRAWING_MS = 80;
/** How often, and how long apart, is looked whether it has asked by itself. */
const NUM_LOOKS = 10;
const LOOK_MS = 40;

/** What an explicit request of the editor's stands for: what has come, or what is shown again. */
export type Kind = "more" | "same";

export interface NudgeParts {
  /** Whether a stream is still the one that is shown. */
  readonly isRunning: (stream: Stream) => boolean;
  /** Called where the user has sent away what was shown. */
  readonly onDismissed: (stream: Stream) => void;
}

export class Nudge implements vscode.Disposable {
  /** The editor is being made to ask; whether it has. */
  private current: { readonly kind: Kind; wasAsked: boolean } | undefined;
  private isBusy = false;
  private waiting: Stream | undefined;
  /** What the editor was last seen to have drawn. */
  private drawn: Stream | undefined;
  private empty: vscode.Disposable | undefined;

  constructor(private readonly parts: NudgeParts) {}

  dispose(): void {
    this.empty?.dispose();
  }

  /** Returns what an explicit request stands for, undefined if it is the user's own. */
  take(): Kind | undefined {
    const nudge = this.current;
    if (!nudge || nudge.wasAsked) return undefined;
    nudge.wasAsked = true;
    return nudge.kind;
  }

  /** Makes the editor ask for what has come since, once at a time. */
  async tell(stream: Stream): Promise<void> {
    this.waiting = stream;
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      while (this.waiting) {
        const next: Stream = this.waiting;
        this.waiting = undefined;
        await this.tellAll(next);
      }
    } finally {
      this.isBusy = false;
    }
  }

  private async tellAll(stream: Stream): Promise<void> {
    const { growth } = stream;
    if (this.drawn !== stream) await pause(DRAWING_MS);
    while (this.isWanted(stream)) {
      // More candidates behind the same text: the first one stays in front.
      const isOnlyMore = !growth.isLonger && growth.numItems > 1;
      if (await this.run(SHOW_NEXT, isOnlyMore ? "same" : "more", stream)) {
        this.drawn = stream;
        if (isOnlyMore && this.isWanted(stream)) await this.run(TRIGGER, "more", stream);
      } else if (!(await this.asksItself(stream))) {
        if (this.isWanted(stream)) this.parts.onDismissed(stream);
      }
    }
    // The next request that the user makes here must reach the server.
    if (growth.isFinished) this.changeProviders(stream.document);
  }

  /**
   * Whether the editor asks, and is answered, by itself: it does where nothing was drawn yet, since
   * its providers have changed. Another command meanwhile would only put that off.
   */
  private async asksItself(stream: Stream): Promise<boolean> {
    const { numShowings } = stream.growth;
    for (let num = 0; num < NUM_LOOKS && this.isWanted(stream); num++) {
      await pause(LOOK_MS);
      if (stream.growth.numShowings === numShowings) continue;
      await pause(DRAWING_MS);
      return true;
    }
    return false;
  }

  private isWanted(stream: Stream): boolean {
    return this.parts.isRunning(stream) && stream.growth.hasMore && stream.isInPlace;
  }

  /** Runs a command that makes the editor ask. Returns whether it has. */
  private async run(command: string, kind: Kind, stream: Stream): Promise<boolean> {
    const nudge = { kind, wasAsked: false };
    this.current = nudge;
    this.changeProviders(stream.document);
    try {
      await vscode.commands.executeCommand(command);
    } finally {
      this.current = undefined;
    }
    return nudge.wasAsked;
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
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
