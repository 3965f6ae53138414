// @vitest-environment jsdom
import { expect, test } from "vitest";

import type { FromPage } from "../../src/chat/wire";
import { Composer } from "../../src/webview/composer";
import { element } from "../../src/webview/element";

/** A composer while an answer runs, with text in its box. */
function running(text: string) {
  const said: FromPage[] = [];
  const input = element("textarea", "");
  const send = element("button", "");
  const form = element("form", "", { children: [input, send] });
  document.body.replaceChildren(form);
  const post = (message: FromPage) => said.push(message);
  const composer = new Composer({ form, chips: form, input, send, post, draft: text, onDraft: () => undefined });
  composer.running(true);
  return { composer, input, send, said };
}

test("the button stops what runs, and leaves the draft for its next click", () => {
  // It said Stop, and sent what was typed.
  const { composer, input, send, said } = running("half a ques");
  expect(send.textContent).toBe("Stop");
  send.click();
  expect(said).toEqual([{ kind: "stop" }]);
  expect(input.value).toBe("half a ques");
  composer.running(false);
  send.click();
  expect(said.at(-1)).toEqual({ kind: "ask", text: "half a ques" });
  expect(input.value).toBe("");
});

test("Enter sends while an answer runs, and never stops it", () => {
  const { input, said } = running("Why?");
  for (let time = 0; time < 2; time++) input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  expect(said).toEqual([{ kind: "ask", text: "Why?" }]);
});
