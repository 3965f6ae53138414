/**
 * What of a suggestion was taken, told from the edits: VS Code's stable interface says nothing of
 * partial acceptance. Pure.
 */

import type { Place } from "./growth";

export interface Insertion {
  readonly uri: string;
  readonly version: number;
  readonly line: number;
  readonly character: number;
  readonly text: string;
}

/** Pairs that the editor types for one key. */
const PAIRS = new Set(["()", "[]", "{}", '""', "''", "``", "<>"]);

/**
 * Returns how many UTF-16 units of the suggestion an edit took, 0 for none.
 *
 * @param shown where and what was shown last.
 * @param edit an edit that only inserts.
 * @param byCommand a command that accepts a part is running: then one character is a part too.
 */
export function partTaken(
  shown: { readonly place: Place; readonly text: string },
  edit: Insertion,
  byCommand: boolean,
): number {
  const { place, text } = shown;
  if (edit.uri !== place.uri || edit.version !== place.version + 1) return 0;
  if (edit.line !== place.line || edit.character !== place.character) return 0;
  if (edit.text.length >= text.length || !text.startsWith(edit.text)) return 0;
  if (byCommand) return edit.text.length;
  const isTyped = edit.text.length < 2 || PAIRS.has(edit.text) || edit.text.trim() === "";
  return isTyped ? 0 : edit.text.length;
}
