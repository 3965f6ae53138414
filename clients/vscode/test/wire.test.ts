import { expect, test } from "vitest";

import { page } from "../src/chat/page";
import { readMessage, webAddress } from "../src/chat/wire";

test.each<[string, string | undefined]>([
  ["https://example.com/a b", "https://example.com/a%20b"],
  ["http://127.0.0.1:8080/", "http://127.0.0.1:8080/"],
  ["javascript:alert(1)", undefined],
  [" javascript:alert(1)", undefined],
  ["JaVaScRiPt:alert(1)", undefined],
  ["command:workbench.action.terminal.new", undefined],
  ["vscode://extension/install", undefined],
  ["file:///etc/passwd", undefined],
  ["data:text/html,<script>1</script>", undefined],
  ["//example.com", undefined],
  ["a.py", undefined],
  ["", undefined],
])("the link %j leads to %j", (href, address) => {
  expect(webAddress(href)).toBe(address);
});

const BLOCK = { kind: "block", action: "apply", turn: 1, block: 0, startLine: 3, language: "py", text: "x" };

test.each<[unknown]>([
  [{ kind: "ready" }],
  [{ kind: "ask", text: "a" }],
  [{ kind: "remove", key: "k" }],
  [{ kind: "run", command: "midfill.chooseModel" }],
  [BLOCK],
])("%o is a message", (message) => {
  expect(readMessage(message)).toEqual(message);
});

test.each<[unknown]>([
  [undefined],
  ["ready"],
  [{ kind: "ask" }],
  [{ kind: "run", command: "workbench.action.terminal.new" }],
  [{ ...BLOCK, action: "run" }],
  [{ ...BLOCK, turn: "1" }],
  [{ ...BLOCK, text: null }],
])("%o is none", (message) => {
  expect(readMessage(message)).toBeUndefined();
});

test("the page lets one script and one style sheet in, and nothing of the net", () => {
  const html = page({ source: "vscode-resource:", script: "chat.js", style: "chat.css", nonce: "abc" });
  const policy = /Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1];
  expect(policy?.split("; ")).toEqual([
    "default-src 'none'",
    "script-src 'nonce-abc'",
    "style-src vscode-resource:",
    "base-uri 'none'",
    "form-action 'none'",
  ]);
  expect(html).not.toMatch(/ style=| on\w+=/);
  expect(html.match(/<script/g)).toHaveLength(1);
});
