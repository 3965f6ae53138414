/** "Why no suggestion?": what the server says of the last request. Pure. */

/** What of `midfill.explain` is used; docs/protocol.md lists more. */
export interface Explanation {
  readonly reason: {
    readonly code: string;
    readonly sentence: string;
    /** Null where there is nothing to mend, such as after a request that was shown. */
    readonly remedy: string | null;
  };
  readonly detail: string | null;
  readonly timingsMs: Readonly<Record<string, number>>;
}

/** Returns one or a few sentences. */
export function explain(last: Explanation | null): string {
  if (!last) return "Nothing was asked yet in this window.";
  const { reason, detail, timingsMs } = last;
  const notes = [reason.sentence];
  if (detail !== null && !reason.code.endsWith(`.${detail}`)) notes.push(sentence(detail));
  if (reason.remedy !== null) notes.push(`Remedy: ${sentence(reason.remedy)}`);
  const total = timingsMs["total"];
  if (total !== undefined) notes.push(`It took ${Math.round(total)} ms.`);
  return notes.join(" ");
}

function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
