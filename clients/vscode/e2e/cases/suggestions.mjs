// What a user sees of suggestions, and how they take them.
import assert from "node:assert/strict";

/** `[name, run]` of each case; all share one editor. */
export const suggestions = [
  ["ghost text appears while typing, and Tab accepts it", tab],
  ["where the cursor rests the engine reads ahead", readsAhead],
  ["it grows while it is written, without flicker", grows],
  ["sent away while it grows, it stays away", sentAway],
  ["word by word", words],
  ["line by line", lines],
  ["auto-closed brackets leave nothing behind", brackets],
  ["paused: nothing by itself, but on command", paused],
  ["off for a language, and on again", languageOff],
  ["statistics count what was shown and taken", statistics],
];

async function tab(f) {
  const { editor } = f;
  await editor.open("checks.py");
  await editor.goTo(5, 1);
  await editor.type("        raise V");
  const ghost = await editor.untilGhost();
  await f.screenshot("ghost-text");
  await editor.press("Tab");
  await editor.noGhost();
  const text = await editor.save("checks.py");
  assert.ok(text.includes(`        raise V${ghost}`), text);
}

async function readsAhead(f) {
  const { editor, probe } = f;
  const numRead = async () => (await probe.run("status")).metrics.streams.warmed_up ?? 0;
  await editor.open("shapes.py");
  const before = await numRead();
  await editor.goTo(12, 21);
  await f.until(async () => (await numRead()) > before);
}

async function grows(f) {
  const { editor } = f;
  await editor.open("shapes.py");
  await editor.goTo(12, 21);
  await f.pace(0.2);
  await editor.record();
  await editor.press("Enter");
  await editor.untilGhost("(text) => text !== ''");
  await f.screenshot("growing");
  await editor.untilGhost("(text) => text.includes('\\n')");
  await f.screenshot("grown");
  const seen = (await editor.recorded()).filter((text, idx) => idx > 0 || text !== "");
  assert.ok(seen.length >= 3, `grew in ${seen.length} steps: ${JSON.stringify(seen)}`);
  for (const [idx, text] of seen.slice(1).entries()) {
    assert.ok(text.startsWith(seen[idx]), `${JSON.stringify(text)} after ${JSON.stringify(seen[idx])}`);
  }
  await f.pace(0);
  await editor.press("Escape");
  await editor.noGhost();
}

async function sentAway(f) {
  const { editor } = f;
  await editor.open("shapes.py");
  await editor.goTo(12, 21);
  await f.pace(0.1);
  await f.probe.run("takeMarks");
  await editor.press("Enter");
  await editor.untilGhost();
  await editor.press("Escape");
  await editor.noGhost();
  await editor.record();
  await f.probe.run("untilMark", { step: "dismissed" });
  await f.pace(0);
  assert.ok((await editor.recorded()).every((text) => text === ""));
}

async function words(f) {
  const { editor } = f;
  await editor.open("inventory.py");
  await editor.goTo(8, 24);
  await f.probe.run("takeMarks");
  await editor.press("Enter");
  await editor.type("return i"); // with the line end versions 2 to 10
  await f.probe.run("untilMark", { step: "answered", isFinished: true, version: 10 });
  const ghost = await editor.untilGhost("(text) => text.endsWith(')')");
  await editor.press("Control+ArrowRight");
  const rest = await editor.untilGhost(
    `(text) => text !== "" && ${JSON.stringify(ghost)}.endsWith(text) && text.length < ${ghost.length}`,
  );
  await f.screenshot("by-word");
  const taken = ghost.slice(0, ghost.length - rest.length);
  const text = await editor.save("inventory.py");
  assert.ok(text.includes(`return i${taken}`), text);
}

async function lines(f) {
  const { editor } = f;
  await editor.open("lines.py");
  await editor.goTo(12, 21);
  await editor.press("Enter");
  const ghost = await editor.untilGhost("(text) => text.trim().includes('\\n')");
  await editor.press("Control+Shift+ArrowRight");
  await editor.untilGhost(`(text) => text !== "" && text !== ${JSON.stringify(ghost)}`);
  await f.screenshot("by-line");
  const [, after] = (await editor.save("lines.py")).split("def get_z(self):\n");
  assert.match(after, /^ +if [^\n]+:\n\s*$/);
}

async function brackets(f) {
  const { editor } = f;
  const typed = async () => (await editor.save("reader.py")).split("\n")[9];
  await editor.open("reader.py");
  let ghost;
  // Now and then (one in 300) VS Code does not close what is typed: then there is nothing to look at.
  for (let tries = 1; ; tries++) {
    await editor.goTo(9, 40);
    await editor.press("Enter");
    await editor.type("with open(");
    ghost = await editor.untilGhost();
    const line = await typed();
    if (line.endsWith("open()")) break;
    assert.ok(tries < 3, line);
    await editor.press("Escape");
    await editor.press("Control+Shift+k");
  }
  await f.screenshot("brackets");
  await editor.press("Tab");
  await editor.noGhost();
  const line = await typed();
  const opened = line.split("(").length;
  assert.equal(line.split(")").length, opened, `${line} after ${ghost}`);
  assert.ok(line.length > "    with open()".length, line);
}

async function paused(f) {
  const { editor } = f;
  await editor.open("checks.py");
  await editor.command("Midfill: Pause or Go On in This Window");
  await editor.untilStatus("Paused in this window");
  await editor.goTo(6, 17);
  await editor.record();
  await editor.press("Enter");
  await editor.type("def check_value(val");
  await editor.command("Midfill: Why No Suggestion?");
  const message = await editor.message("Suggestions are paused in this window.");
  await f.screenshot("why");
  assert.ok((await editor.recorded()).every((text) => text === ""));
  await message.hover();
  await message.locator(".codicon-notifications-clear").click();
  await editor.focusFirstEditor();
  await editor.press("Alt+\\");
  await editor.untilGhost();
  await editor.press("Escape");
  await editor.command("Midfill: Pause or Go On in This Window");
  await editor.untilStatus("Ready");
}

async function languageOff(f) {
  const { editor } = f;
  await editor.command("Midfill: Switch On or Off for This Language");
  await editor.untilStatus("Switched off for python");
  await f.screenshot("off");
  await editor.command("Midfill: Switch On or Off for This Language");
  await editor.untilStatus("Ready");
}

async function statistics(f) {
  const { editor } = f;
  await editor.command("Midfill: Statistics");
  await editor.page.locator(".view-line", { hasText: "Midfill in this window" }).waitFor();
  await f.screenshot("statistics");
  const page = await editor.page.evaluate(() =>
    [...document.querySelectorAll(".view-line")].map((line) => line.textContent.replaceAll("\u00a0", " ")).join("\n"));
  const count = (name) => Number(new RegExp(`\\| ${name} \\| (\\d+)`).exec(page)?.[1] ?? -1);
  assert.ok(count("shown") >= 5, page);
  assert.ok(count("accepted") >= 1, page);
  assert.ok(count("partly accepted") >= 1, page);
}
