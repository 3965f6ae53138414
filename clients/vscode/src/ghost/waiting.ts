/** The editor's requests that wait for one suggestion's text. Pure. */

import type { Growth } from "./growth";

type Growing = Pick<Growth<unknown>, "hasBegun" | "isFinished" | "begin" | "end">;

/** What is needed of VS Code's. */
export interface CancellationToken {
  readonly isCancellationRequested: boolean;
  onCancellationRequested(listener: () => void): { dispose(): void };
}

export class Waiting {
  private numWaiting = 0;
  /** Called when all of them were cancelled before there was what they waited for. */
  onNobody: () => void = () => undefined;

  constructor(private readonly growth: Growing) {}

  /**
   * Waits for something to show, or for the end. Returns whether the request still wants it.
   *
   * VS Code asks again at one place, and cancels the request before: the suggestion goes on for the
   * one that follows, and where its text is there already, also if none does.
   */
  async until(what: "begun" | "finished", token: CancellationToken): Promise<boolean> {
    const { growth } = this;
    this.numWaiting++;
    const dropped = token.onCancellationRequested(() => {
      this.numWaiting--;
      const isThere = what === "begun" ? growth.hasBegun : growth.isFinished;
      if (this.numWaiting === 0 && !isThere) this.onNobody();
    });
    await (what === "begun" ? growth.begin() : growth.end());
    dropped.dispose();
    if (token.isCancellationRequested) return false;
    this.numWaiting--;
    return true;
  }
}
