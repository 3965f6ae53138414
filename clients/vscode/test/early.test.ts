import { expect, test } from "vitest";

import { Early } from "../src/ghost/early";

const URI = "file:///a.py";

test("a change is asked about early where the editor asked after the one before", () => {
  const early = new Early();
  expect(early.take(URI)).toBe(false);
  early.editorAsked(URI, true);
  expect(early.take(URI)).toBe(true);
});

test("once only, until the editor comes again", () => {
  const early = new Early();
  early.editorAsked(URI, true);
  early.take(URI);
  expect(early.take(URI)).toBe(false);
  early.editorAsked(URI, true);
  expect(early.take(URI)).toBe(true);
});

test("not where the editor asked for a menu's item, on command, or in another document", () => {
  const early = new Early();
  early.editorAsked(URI, true);
  early.editorAsked(URI, false);
  expect(early.take(URI)).toBe(false);
  early.editorAsked("file:///b.py", true);
  expect(early.take(URI)).toBe(false);
});
