import { expect, test } from "vitest";

import type { Span } from "../src/chat/turns";
import { findAgain, halfWritten, laidOut, moved } from "../src/preview/places";

const at = (line: number, character: number, endLine = line, endCharacter = character): Span => ({
  start: { line, character },
  end: { line: endLine, character: endCharacter },
});

test.each<[string, Span, Span, string, Span | undefined]>([
  ["behind it", at(1, 0, 2, 0), at(4, 0), "x", at(1, 0, 2, 0)],
  ["at its end", at(1, 0, 1, 3), at(1, 3), "x", at(1, 0, 1, 3)],
  ["a line above", at(1, 0, 2, 0), at(0, 0), "x\n", at(2, 0, 3, 0)],
  ["lines above go", at(5, 2, 6, 0), at(1, 0, 3, 0), "", at(3, 2, 4, 0)],
  ["before it in its line", at(1, 4, 1, 6), at(1, 0, 1, 2), "xyz", at(1, 5, 1, 7)],
  ["before it in its line, with a line end", at(1, 4, 1, 6), at(1, 2), "xy\r\nz", at(2, 3, 2, 5)],
  ["its line is joined to the one above", at(2, 1, 3, 1), at(1, 5, 2, 0), "", at(1, 6, 2, 1)],
  ["right before it", at(1, 4, 1, 6), at(1, 4), "ab", at(1, 6, 1, 8)],
  ["at an empty place", at(1, 4), at(1, 4), "ab", at(1, 6)],
  ["in it", at(1, 4, 1, 8), at(1, 5), "a", undefined],
  ["over its start", at(1, 4, 1, 8), at(1, 0, 1, 5), "", undefined],
  ["over its end", at(1, 4, 1, 8), at(1, 7, 1, 9), "", undefined],
  ["all around it", at(1, 4, 1, 8), at(0, 0, 9, 0), "", undefined],
])("a range after an edit %s", (_, range, edited, text, after) => {
  expect(moved(range, { range: edited, text })).toEqual(after);
});

test.each<[string, string, string, number, number | undefined]>([
  ["where it was", "a\nb\na\n", "a\n", 4, 4],
  ["elsewhere", "x\nb\n", "b\n", 0, 2],
  ["gone", "x\n", "b\n", 0, undefined],
  ["in two places", "x\nb\nb\n", "b\n", 0, undefined],
  ["blanks elsewhere", "x\n\n", "\n\n", 0, undefined],
])("a text that stands %s is found", (_, text, before, offset, found) => {
  expect(findAgain(text, before, offset)).toBe(found);
});

test.each([
  ["", "a\nb\n", "a\nb\n"],
  ["x\n", "a\nb\nc\n", "x\nb\nc\n"],
  ["x", "a\nb\nc", "x\nb\nc"],
  ["x\ny\n", "a\n", "x\ny\n"],
  ["x\ny", "a", "x\ny"],
])("what has come, %j, stands over %j", (newText, before, shown) => {
  expect(halfWritten(before, newText)).toBe(shown);
});

test.each<[string, string, string, string, string]>([
  ["at the start of a line", "f()\n", "", "", "f()"],
  ["in an indentation", "if x:\n    y\n\nz\n", "    ", "", "if x:\n        y\n\n    z"],
  ["already indented", "    a\n    b\n", "    ", "", "a\n    b"],
  ["over whole lines", "a\nb\n", "", "\tx\n\ty\n", "\ta\n\tb\n"],
  ["behind text", "a\nb\n", "  x = ", "", "a\n  b"],
  ["nothing", "", "  ", "", ""],
])("a block %s is laid out", (_, code, head, selected, laid) => {
  expect(laidOut(code, head, selected)).toBe(laid);
});
