import { expect, test } from "vitest";

import { partTaken, type Insertion } from "../src/ghost/accepted";

const SHOWN = {
  place: { uri: "file:///a.py", version: 3, line: 1, character: 4 },
  text: "(first, second)\n    print(1)",
};
const EDIT: Insertion = { uri: "file:///a.py", version: 4, line: 1, character: 4, text: "(first" };

test("a part that was inserted where the suggestion stands was accepted", () => {
  expect(partTaken(SHOWN, EDIT, false)).toBe(6);
});

test.each([
  ["one character is typed", { text: "(" }],
  ["another text", { text: "(fist" }],
  ["all of it is no part", { text: SHOWN.text }],
  ["another place", { character: 5 }],
  ["another document", { uri: "file:///b.py" }],
  ["a later edit", { version: 5 }],
])("no part: %s", (_, change) => {
  expect(partTaken(SHOWN, { ...EDIT, ...change }, false)).toBe(0);
});

test("brackets that the editor closes and indentation are typing", () => {
  const pair = { ...SHOWN, text: "()\n    pass" };
  expect(partTaken(pair, { ...EDIT, text: "()" }, false)).toBe(0);
  const indented = { ...SHOWN, text: "\n    pass" };
  expect(partTaken(indented, { ...EDIT, text: "\n    " }, false)).toBe(0);
});

test("by a command one character is a part too", () => {
  expect(partTaken(SHOWN, { ...EDIT, text: "(" }, true)).toBe(1);
});
