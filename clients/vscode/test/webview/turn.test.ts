// @vitest-environment jsdom
import { expect, test } from "vitest";

import type { Turn } from "../../src/chat/turns";
import type { FromPage } from "../../src/chat/wire";
import { TurnView } from "../../src/webview/turn";

const TURN: Turn = {
  id: 4,
  question: "Why <b>?",
  about: ["a.py:1-2"],
  answer: "See:\n\n```py\nx = 1\n```\n",
  state: "done",
  error: null,
  notes: ["the answer was cut"],
  blocks: [],
};

function view(turn: Partial<Turn>): { box: HTMLElement; said: FromPage[]; view: TurnView } {
  const said: FromPage[] = [];
  const made = new TurnView({ ...TURN, ...turn }, (message) => said.push(message));
  return { box: made.element, said, view: made };
}

function click(box: HTMLElement, name: string): void {
  const found = [...box.querySelectorAll("button")].find((one) => one.textContent === name);
  if (!found) throw new Error(`no button ${name}: ${box.textContent}`);
  found.click();
}

const names = (box: HTMLElement): string[] => [...box.querySelectorAll("button")].map((one) => one.textContent);

test("a question, what went along, the answer and its notes stand there", () => {
  const { box } = view({});
  expect(box.querySelector(".question p")?.textContent).toBe("Why <b>?");
  expect(box.querySelector(".about")?.textContent).toBe("a.py:1-2");
  expect(box.querySelector(".notes")?.textContent).toBe("The answer was cut.");
  expect(names(box)).toEqual(["Apply", "Insert", "New file", "Copy", "Copy answer"]);
});

test("a block's buttons name it", () => {
  const { box, said } = view({});
  click(box, "Apply");
  click(box, "Copy");
  const block = { kind: "block", turn: 4, block: 0, startLine: 3, language: "py", text: "x = 1\n" };
  expect(said).toEqual([
    { ...block, action: "apply" },
    { ...block, action: "copy" },
  ]);
  expect(names(box)).toContain("Copied");
});

test("a block that is shown as a change is accepted or rejected", () => {
  const { box, said, view: made } = view({});
  made.preview(0);
  expect(names(box).slice(0, 2)).toEqual(["Accept", "Reject"]);
  click(box, "Accept");
  expect(said).toEqual([{ kind: "run", command: "midfill.preview.accept" }]);
  made.preview(null);
  expect(names(box)[0]).toBe("Apply");
});

test("while it grows it has no buttons, is drawn once a frame, and says that it is busy", () => {
  const { box, view: made } = view({ state: "running", answer: "" });
  expect(box.textContent).toContain("Thinking…");
  let numDrawn = 0;
  let frame: FrameRequestCallback = () => undefined;
  window.requestAnimationFrame = (callback) => {
    frame = callback;
    return 1;
  };
  for (const answer of ["a", "ab", "abc"]) made.update({ ...TURN, state: "running", answer }, () => (numDrawn += 1));
  frame(0);
  expect(numDrawn).toBe(1);
  expect(box.querySelector(".markdown")?.textContent.trim()).toBe("abc");
  expect(names(box)).toEqual([]);
  expect(box.querySelector(".answer")?.getAttribute("aria-busy")).toBe("true");
  made.update({ ...TURN, answer: "abcd" }, () => undefined);
  frame(0);
  expect(box.querySelector(".markdown")?.textContent.trim()).toBe("abcd");
});

test("a failure says why, and what can be done", () => {
  const { box, said } = view({ state: "failed", answer: "", error: "starter cannot chat" });
  expect(box.querySelector("[role=alert] p")?.textContent).toBe("Starter cannot chat.");
  click(box, "Try again");
  click(box, "Choose the model…");
  expect(said).toEqual([{ kind: "again" }, { kind: "run", command: "midfill.chooseModel" }]);
});

test("what was stopped says so, and its text can be copied", () => {
  const { box, said } = view({ state: "stopped", answer: "abc", notes: [] });
  expect(box.textContent).toContain("Stopped.");
  click(box, "Copy answer");
  expect(said).toEqual([{ kind: "copy", text: "abc" }]);
});
