// Cycling, snoozing, and what Tab does where it means something else too.
import assert from "node:assert/strict";

export const keys = [
  ["cycling shows the other candidates, and comes back", cycles],
  ["snoozed: nothing by itself until it is over", snoozes],
  ["Tab takes the menu's item, not the ghost text", tabInMenu],
  ["Tab goes to a snippet's next placeholder", tabInSnippet],
  ["Tab indents where the suggestion stands deeper, then accepts", tabIndents],
];

async function cycles(f) {
  const { editor } = f;
  await editor.open("cycle.py");
  await editor.goTo(13, 17);
  await f.probe.run("takeMarks");
  await editor.type("s");
  await f.probe.run("untilMark", { step: "answered", isFinished: true, version: 2 });
  const [{ shownChars }] = await f.probe.run("explain", 1);
  const first = await editor.untilGhost(`(text) => text.length === ${shownChars}`); // it has grown
  await editor.press("Alt+]");
  await editor.untilGhost(`(text) => text !== "" && text !== ${JSON.stringify(first)}`);
  await f.screenshot("cycled");
  await editor.press("Alt+[");
  await editor.untilGhost(`(text) => text === ${JSON.stringify(first)}`);
  await editor.press("Escape");
  await editor.noGhost();
}

async function snoozes(f) {
  const { editor } = f;
  await editor.open("checks.py");
  await snooze(f);
  await editor.untilStatus("Snoozed until");
  await f.screenshot("snoozed");
  await editor.goTo(2, 1);
  await editor.press("End");
  await editor.record();
  await editor.press("Enter");
  await editor.type("x");
  await editor.command("Midfill: Why No Suggestion?");
  const message = await editor.message("Suggestions are snoozed in this window.");
  assert.ok((await editor.recorded()).every((text) => text === ""));
  await message.hover();
  await message.locator(".codicon-notifications-clear").click();
  await editor.command("Midfill: Pause or Go On in This Window");
  await editor.untilStatus("Ready");
  // Five minutes that pass at once: it ends by itself.
  await f.probe.run("hurryTimers", [300_000]);
  await snooze(f);
  // It was ready before, too.
  await f.until(async () => (await f.probe.run("hurriedTimers")).length > 0);
  await editor.untilStatus("Ready");
  assert.deepEqual(await f.probe.run("unhurryTimers"), [300_000]);
}

async function snooze(f) {
  const { editor } = f;
  await editor.command("Midfill: Snooze…");
  await editor.page.locator(".quick-input-list .monaco-list-row.focused", { hasText: "5 minutes" }).waitFor();
  await editor.press("Enter");
}

async function tabInMenu(f) {
  const { editor } = f;
  await f.probe.run("offerItem", "menu.py", "is_nowhere");
  await editor.open("menu.py");
  await editor.goTo(13, 1);
  await editor.type("        if self.z i");
  await editor.untilGhost();
  await editor.press("Control+Space");
  await editor.page.locator(".suggest-widget .monaco-list-row.focused", { hasText: "is_nowhere" }).waitFor();
  await f.screenshot("menu");
  await editor.press("Tab");
  await editor.page.locator(".suggest-widget.visible").waitFor({ state: "detached" });
  assert.match(await editor.save("menu.py"), /\n {8}if self\.z is_nowhere\n?$/);
}

async function tabInSnippet(f) {
  const { editor } = f;
  await editor.open("checks.py");
  await editor.goTo(2, 1);
  await editor.press("End");
  await editor.press("Enter");
  await f.probe.run("insertSnippet", "if ${1:first}:\n\t${2:second}");
  await editor.type("value");
  await editor.press("Tab");
  await f.until(async () => (await f.probe.run("selectedText")) === "second");
  await editor.press("Escape");
}

async function tabIndents(f) {
  const { editor } = f;
  await f.completionServer("        print(price)");
  await editor.open("indent.py");
  await editor.goTo(3, 1);
  await editor.press("Alt+\\");
  for (const [typed, left] of [["", "        print(price)"], ["        ", "print(price)"]]) {
    await editor.untilGhost(`(text) => text === ${JSON.stringify(left)}`);
    assert.equal((await editor.save("indent.py")).split("\n")[2], typed);
    await editor.press("Tab");
  }
  await editor.noGhost();
  assert.equal((await editor.save("indent.py")).split("\n")[2], "        print(price)");
  await f.endServer();
}
