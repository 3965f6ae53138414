import { expect, test } from "vitest";

import { Growth, samePlace, type Place } from "../src/ghost/growth";

const PLACE: Place = { uri: "file:///a.py", version: 3, line: 1, character: 4 };

test("the first text begins it, and is all that is shown until more comes", async () => {
  const growth = new Growth<string>(PLACE, (item) => item);
  let told = 0;
  growth.onMore = () => (told += 1);
  growth.grow("a");
  await growth.begin();
  expect(growth.show()).toEqual({ isFinished: false, items: ["a"] });
  expect(growth.hasMore).toBe(false);
  growth.grow("a + b");
  expect(growth.hasMore).toBe(true);
  expect(told).toBe(1);
  expect(growth.isLonger).toBe(true);
  expect(growth.shownItem).toBe("a");
  expect(growth.show()).toEqual({ isFinished: false, items: ["a + b"] });
});

test("nobody is told of more before something was shown", () => {
  const growth = new Growth<string>(PLACE, (item) => item);
  growth.onMore = () => expect.unreachable();
  growth.grow("a");
  growth.grow("ab");
  growth.finish(["ab"]);
  expect(growth.hasMore).toBe(false);
});

test("text never shrinks and does not come after the end", () => {
  const growth = new Growth<string>(PLACE, (item) => item);
  growth.grow("abc");
  growth.grow("a");
  expect(growth.show()).toEqual({ isFinished: false, items: ["abc"] });
  growth.finish(["abc)"]);
  growth.grow("abcdef");
  growth.finish(["another"]);
  expect(growth.show()).toEqual({ isFinished: true, items: ["abc)"] });
});

test("the end is shown once, also where the text stays the same", () => {
  const growth = new Growth<string>(PLACE, (item) => item);
  growth.grow("abc");
  growth.show();
  growth.finish(["abc"]);
  expect(growth.hasMore).toBe(true);
  expect(growth.isLonger).toBe(false);
  growth.show();
  expect(growth.hasMore).toBe(false);
});

test("what stood behind another text is shown once more, all of it", () => {
  const growth = new Growth<string>(PLACE, (item) => item);
  growth.finish(["abc"]);
  growth.show();
  expect(growth.hasMore).toBe(false);
  growth.stoodBehind();
  expect(growth.hasMore).toBe(true);
  expect(growth.isLonger).toBe(true);
  expect(growth.show()).toEqual({ isFinished: true, items: ["abc"] });
  expect(growth.hasMore).toBe(false);
});

test("an end without text begins and ends it", async () => {
  const growth = new Growth<string>(PLACE, (item) => item);
  growth.finish([]);
  await growth.begin();
  await growth.end();
  expect(growth.show()).toEqual({ isFinished: true, items: [] });
});

test.each([
  { version: 4 },
  { line: 2 },
  { character: 5 },
  { uri: "file:///b.py" },
])("another place: %o", (change) => {
  expect(samePlace(PLACE, { ...PLACE })).toBe(true);
  expect(samePlace(PLACE, { ...PLACE, ...change })).toBe(false);
});
