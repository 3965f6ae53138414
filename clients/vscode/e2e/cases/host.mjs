// Tests that run inside of the extension host: e2e/probe/checks.cjs.
import assert from "node:assert/strict";

export const host = [
  ["in the extension host: every command is there", (f) => f.probe.run("checkCommands")],
  ["in the extension host: a workspace chooses no program and no server", (f) => f.probe.run("checkSettings")],
  ["in the extension host: the server is asked before VS Code asks", typing],
  ["in the extension host: what grows is asked for once, and not as the user's", grows],
  ["in the extension host: what is accepted is counted, also while it grows", accepts],
];

async function typing(f) {
  await f.editor.open("host.py");
  assert.ok(await f.probe.run("isTrusted"));
  await f.probe.run("checkTyping", "host.py", 12, ["\n", "i", "f", " "]);
  await f.editor.press("Escape");
}

async function grows(f) {
  await f.pace(0.1);
  await f.probe.run("checkGrowth", "host.py", 12, "\n");
  await f.pace(0);
  await f.editor.press("Escape");
}

async function accepts(f) {
  await f.probe.run("checkAccepting", "host.py", 12, "\n", true);
  await f.pace(0.1);
  await f.probe.run("checkAccepting", "accept.py", 12, "\n", false);
  await f.pace(0);
}
