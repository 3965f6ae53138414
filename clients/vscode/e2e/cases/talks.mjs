// The chat and the editing of a selection, with the real language server and answers that the test
// writes: the bundled model cannot chat.
import assert from "node:assert/strict";

/** `[name, run]` of each case; the last gives the engine back to those behind it. */
export const talks = [
  ["chat: a model that cannot chat is told, with what to do", cannotChat],
  ["chat: an answer streams in, and hostile text does nothing", streams],
  ["chat: what goes along is shown, and can be taken away", chips],
  ["chat: an answer is stopped", stops],
  ["chat: a block is applied as a change that the user accepts", applies],
  ["chat: blocks are inserted, copied, opened as a file", blocks],
  ["chat: the conversation outlives a reload, and a new one begins", kept],
  ["chat: a selection is edited, and the edit rejected, cancelled, accepted", edits],
];

const FIXED = "```python\ndef area(self):\n    return math.pi * self.radius**2\n```\nThe radius was not squared.";
const HOSTILE = `Hi <script>window.hit = 1</script> <img src=x onerror="window.hit = 1">
![pixel](PLACE/pixel.png) [run](javascript:window.hit=1) [do](command:workbench.action.closeWindow)

\`\`\`html
<img src=x onerror="window.hit = 1"></code></pre><script>window.hit = 1</script>
\`\`\`
`;

async function cannotChat(f) {
  const { editor, talk } = f;
  await editor.command("Midfill: Open the Chat");
  await talk.untilFocused();
  await editor.type("What does it do?");
  await editor.press("Enter");
  const answer = await talk.answer();
  await answer.locator("[role=alert]", { hasText: "cannot chat" }).waitFor();
  await answer.getByText("Choose the model…").waitFor();
  await f.screenshot("cannot-chat");
}

async function streams(f) {
  const { editor, talk } = f;
  const server = await f.chatServer();
  await editor.open("area.py");
  await editor.select(8, 9);
  const pieces = ["It returns the **area** of the circle:\n\n1. it takes ", "`self.radius`,\n2. it multiplies.\n\n```python\nmath.pi * 2  # twice\n```\n"];
  const gate = server.answer(/Explain what this code does/, pieces, { gated: true });
  await editor.command("Midfill: Explain");
  const growing = await talk.answer(true);
  await growing.locator("li", { hasText: "it takes" }).waitFor();
  await f.screenshot("chat-growing");
  gate.open();
  const answer = await talk.answer();
  await answer.locator(".hljs-comment", { hasText: "# twice" }).waitFor();
  assert.equal(await talk.about(), "area.py:8-9");
  assert.match(server.asked.at(-1).at(-1).content, /def area\(self\):\n {8}return math\.pi \* self\.radius\n/);
  await f.screenshot("chat");
  server.answer(/^Be hostile/m, [HOSTILE.replace("PLACE", server.url)]);
  await talk.ask("Be hostile");
  await (await talk.answer()).getByText("<script>window.hit = 1</script> <img").waitFor();
  const body = talk.frame.locator("body");
  assert.equal(await body.locator(".answer").locator("script, img, iframe, [onerror]").count(), 0);
  assert.equal(await body.locator("a:not([href^=http])").count(), 0);
  assert.equal(await body.evaluate(() => window.hit), undefined);
  assert.ok(!server.paths.some((path) => path.includes("pixel")));
}

async function chips(f) {
  const { editor, talk } = f;
  const server = await f.chatServer();
  server.answer(/^Which\?/m, ["None."]);
  const chip = talk.chips;
  await chip.filter({ hasText: "area.py:8-9" }).waitFor();
  await editor.focusFirstEditor();
  await editor.command("Midfill: Add to Chat");
  await talk.untilFocused();
  await editor.focusFirstEditor();
  await editor.goTo(1, 1);
  await chip.filter({ hasText: /^area\.py×$/ }).waitFor();
  assert.equal(await chip.count(), 2);
  await talk.frame.getByLabel("Do not send area.py", { exact: true }).click();
  await talk.frame.getByText("+ area.py").waitFor();
  await f.screenshot("chips");
  await talk.ask("Which?");
  await talk.answer();
  assert.equal(await talk.about(), "area.py:8-9");
  assert.ok(!server.asked.at(-1).at(-1).content.includes("class Circle"));
  await talk.frame.getByText("+ area.py").click();
  await talk.frame.getByLabel("Do not send area.py:8-9").click();
  await chip.filter({ hasText: /^area\.py×$/ }).waitFor();
}

async function stops(f) {
  const { talk } = f;
  const server = await f.chatServer();
  server.answer(/^Go on/m, ["Once ", "upon a time"], { gated: true });
  const { numAborted } = server;
  await talk.ask("Go on");
  await (await talk.answer(true)).getByText("Once").waitFor();
  await talk.frame.locator("#question").press("Escape");
  await (await talk.answer()).getByText("Stopped.").waitFor();
  await f.until(() => Promise.resolve(server.numAborted === numAborted + 1));
}

async function applies(f) {
  const { editor, talk } = f;
  const server = await f.chatServer();
  server.answer(/Find the mistakes/, [FIXED]);
  await editor.focusFirstEditor();
  await editor.goTo(9, 12); // nothing is selected: it is about the method around, or the file
  await editor.select(8, 9);
  await editor.command("Midfill: Fix");
  const answer = await talk.answer();
  await answer.getByText("Apply").click();
  await talk.change();
  await answer.getByText("Accept").waitFor();
  await talk.chips.filter({ hasText: "area.py" }).waitFor();
  await f.screenshot("apply");
  await editor.press("Control+Enter");
  await talk.noChange("area.py");
  await answer.getByText("Apply").waitFor();
  const text = await editor.save("area.py");
  assert.match(text, /\n {4}def area\(self\):\n {8}return math\.pi \* self\.radius\*\*2\n\n {4}def name/);
  await answer.getByText("Apply").click();
  await editor.message("the code that this was written for has changed");
}

async function blocks(f) {
  const { editor, talk } = f;
  const answer = await talk.answer();
  await editor.open("inventory.py");
  await editor.goTo(3, 1);
  await editor.press("End");
  await editor.press("Enter");
  await answer.getByText("Insert").click();
  await editor.focusEditor();
  const text = await editor.save("inventory.py");
  assert.ok(text.includes("        def area(self):\n            return math.pi * self.radius**2\n"), text);
  await answer.getByText("Copy", { exact: true }).click();
  await answer.getByText("Copied").waitFor();
  const copied = () => editor.page.evaluate(() => navigator.clipboard.readText());
  await f.until(async () => (await copied()) === "def area(self):\n    return math.pi * self.radius**2\n");
  await answer.getByText("New file").click();
  await editor.page.locator(".tab.active", { hasText: "Untitled" }).waitFor();
  await editor.page.locator(".statusbar-item", { hasText: "Python" }).waitFor();
  await editor.focusEditor();
}

async function kept(f) {
  const { editor, talk } = f;
  await editor.openWorkspace();
  await editor.untilStatus("ompletion.enabled is false");
  await editor.command("Midfill: Open the Chat");
  await talk.frame.locator(".turn").first().waitFor();
  const asked = await talk.frame.locator(".question p").allTextContents();
  assert.deepEqual(asked, ["What does it do?", "/explain", "Be hostile", "Which?", "Go on", "/fix"]);
  await f.screenshot("chat-kept");
  await editor.command("Midfill: New Chat");
  await talk.frame.getByText("Ask about your code.").waitFor();
  await f.screenshot("chat-new");
  await editor.command("Midfill: Earlier Chats…");
  await editor.page.locator(".quick-input-list .monaco-list-row.focused", { hasText: "What does it do?" }).waitFor();
  await editor.press("Enter");
  await talk.frame.getByText("The radius was not squared.").waitFor();
  await talk.untilFocused();
}

async function edits(f) {
  const { editor, talk } = f;
  const server = await f.chatServer();
  const pieces = ['```python\n    def name(self) -> str:\n        return "the ', 'circle"\n```\n'];
  server.answer(/The instruction: say more/, pieces);
  await editor.open("area.py");
  await editor.select(11, 12);
  await talk.edit("say more");
  await talk.change("Accept the Change");
  await f.screenshot("edit");
  await editor.command("Midfill: Reject the Change");
  await talk.noChange("area.py");
  const before = await editor.save("area.py");
  assert.ok(before.includes("def name(self):"), before);

  const gate = server.answer(/The instruction: say more/, pieces, { gated: true });
  const { numAborted } = server;
  await editor.select(11, 12);
  await talk.edit("say more");
  await talk.change();
  await editor.page.locator(".view-line", { hasText: "-> str" }).first().waitFor();
  await f.screenshot("edit-growing");
  await editor.page.locator(".notification-list-item").getByText("Cancel").click();
  await f.until(() => Promise.resolve(server.numAborted === numAborted + 1));
  await talk.noChange("area.py");
  gate.open();

  server.answer(/The instruction: say more/, pieces);
  await editor.select(11, 12);
  await talk.edit("say more");
  await (await talk.change("Accept the Change")).click();
  await talk.noChange("area.py");
  const text = await editor.save("area.py");
  assert.ok(text.endsWith('\n    def name(self) -> str:\n        return "the circle"\n'), text);
  await f.endServer();
}
