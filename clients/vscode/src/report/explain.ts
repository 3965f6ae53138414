/** "Why no suggestion?": what the server says of the last request, in plain words. Pure. */

/** What `midfill.explain` answers; docs/protocol.md lists more. */
export interface Explanation {
  readonly outcome: string;
  readonly detail: string | null;
  readonly cutBy: string | null;
  readonly skip?: string | null;
  readonly timingsMs: Readonly<Record<string, number>>;
}

const OUTCOMES: Readonly<Record<string, string>> = {
  shown: "A suggestion was made.",
  cached: "A suggestion was made, from an earlier one that you typed along.",
  empty: "The model had nothing to suggest, or nothing of it was fit to be shown.",
  disabled: "Suggestions are switched off.",
  skipped: "Nothing was asked.",
  stale: "The text had changed before the answer came.",
  superseded: "A later key asked again before this one was answered.",
  cancelled: "The editor asked no more for it, because you typed on.",
  error: "The model could not be asked.",
};

const SKIPS: Readonly<Record<string, string>> = {
  selection: "Text is selected.",
  undo: "The latest change was an undo.",
  midWord: "The cursor is inside a word.",
  beforeText: "The cursor is right before text.",
  afterBracket: "The cursor is right behind a closing bracket.",
};

const RULES: Readonly<Record<string, string>> = {
  bracket: "it closed a bracket that is closed already",
  suffix: "it repeated the text behind the cursor",
  repeat: "it repeated itself or the lines above",
  blank: "it was blank",
  line: "it went past the end of the line",
  sentinel: "it held a control token of the model",
};

/** Returns one or a few sentences. */
export function explain(last: Explanation | null): string {
  if (!last) return "Nothing was asked yet in this window.";
  const notes = [OUTCOMES[last.outcome] ?? `It ended as "${last.outcome}".`];
  const skip = last.skip ?? undefined;
  if (skip !== undefined) {
    notes.push(`${SKIPS[skip] ?? skip} "Midfill: Suggest at the Cursor" asks all the same.`);
  } else if (last.detail !== null && last.detail !== last.cutBy) {
    notes.push(sentence(last.detail));
  }
  if (last.outcome === "empty" && last.cutBy !== null) {
    notes.push(`It was dropped because ${RULES[last.cutBy] ?? last.cutBy}.`);
  }
  const total = last.timingsMs["total"];
  if (total !== undefined && last.outcome !== "disabled") notes.push(`It took ${Math.round(total)} ms.`);
  return notes.join(" ");
}

function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
