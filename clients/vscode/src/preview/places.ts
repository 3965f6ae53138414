/** Where a change goes while the document around it is edited. Pure. */

import type { Point, Span } from "../chat/turns";

export interface Edit {
  readonly range: Span;
  readonly text: string;
}

/**
 * Returns where a range is after an edit of its document, undefined if the edit touched it.
 *
 *     before   [----range----)      an edit that ends at its start moves it along,
 *                                   one that begins at its end leaves it alone
 */
export function moved(range: Span, edit: Edit): Span | undefined {
  if (isBefore(range.end, edit.range.start) && !isSame(range.start, edit.range.start)) return range;
  if (!isBefore(edit.range.end, range.start)) return undefined;
  const lines = edit.text.split(/\r\n|\r|\n/);
  const added = lines.length - 1;
  const { start, end } = edit.range;
  const last = (lines.at(-1) ?? "").length + (added === 0 ? start.character : 0);
  const shift = (point: Point): Point => ({
    line: point.line + added - (end.line - start.line),
    character: point.line === end.line ? point.character - end.character + last : point.character,
  });
  return { start: shift(range.start), end: shift(range.end) };
}

/** Whether one place is not behind another. */
function isBefore(one: Point, other: Point): boolean {
  return one.line < other.line || (one.line === other.line && one.character <= other.character);
}

function isSame(one: Point, other: Point): boolean {
  return one.line === other.line && one.character === other.character;
}

/**
 * Returns the offset at which a text stands: at the place where it was, else at the only one where
 * it is now; undefined if it is gone, or there more than once.
 */
export function findAgain(text: string, before: string, offset: number): number | undefined {
  if (text.startsWith(before, offset)) return offset;
  if (before.trim() === "") return undefined;
  const first = text.indexOf(before);
  return first === -1 || text.includes(before, first + 1) ? undefined : first;
}

/**
 * Returns what a piece looks like while it is rewritten: the lines that have come, then those of
 * the old ones that they have not reached yet.
 */
export function halfWritten(before: string, newText: string): string {
  if (newText === "") return before;
  const isEnded = newText.endsWith("\n");
  const numNew = newText.split("\n").length - (isEnded ? 1 : 0);
  const rest = before.split(/(?<=\n)/).slice(numNew).join("");
  return newText + (isEnded || rest === "" ? "" : "\n") + rest;
}

/**
 * Returns a block of an answer as it is written at a place, where the server did not lay it out:
 * indented as the place is, with a line end behind it only if there was one.
 *
 * @param code the block.
 * @param head what stands before the place on its line.
 * @param selected what it takes the place of.
 */
export function laidOut(code: string, head: string, selected: string): string {
  const lines = code.replace(/\n$/, "").split("\n");
  const indents = lines.filter((line) => line.trim() !== "").map((line) => indentOf(line).length);
  const common = Math.min(...indents);
  const indent = indentOf(head === "" ? selected : head);
  const laid = lines.map((line, idx) => {
    if (line.trim() === "") return "";
    return (idx > 0 || head === "" ? indent : "") + line.slice(common);
  });
  return laid.join("\n") + (selected.endsWith("\n") ? "\n" : "");
}

function indentOf(line: string): string {
  return /^[ \t]*/.exec(line)?.[0] ?? "";
}
