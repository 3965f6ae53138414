// Keystroke to ghost text as the user sees it in VS Code, and where the time goes: `npm run latency`.
// The last line of stdout is JSON.
//
// At each place three keys, in turn: `cold`, whose prompt is computed anew; `warm`, typed over the
// cold one, so that all before it is known, as while somebody goes on typing; and `vscode`, in a
// document beside that only another extension knows, whose provider answers at once: what VS Code
// takes by itself.
import { writeFile } from "node:fs/promises";
import * as path from "node:path";

import { Fixture } from "./fixture.mjs";
import { added, quantiles, stages } from "./stages.mjs";

const NUM_PLACES = Number(process.env.PLACES ?? 60);
const WAIT_MS = 3_000;
const FILE = "places.py";
const LINES_A_PLACE = 10;
const CURSOR_LINE = 8;

const f = await Fixture.start();
try {
  const { editor } = f;
  await writeFile(path.join(f.workspace, FILE), source());
  await editor.open(FILE);
  await f.probe.run("openBaseline", FILE, source(), "f self.y is None:");
  await editor.clock();
  const clocked = { cold: [], warm: [], vscode: [] };
  for (let place = 0; place < NUM_PLACES; place++) {
    const line = CURSOR_LINE + place * LINES_A_PLACE;
    await goTo(1, line);
    clocked.cold.push(await clock("i"));
    await editor.press("Shift+ArrowLeft");
    clocked.warm.push(await clock("r"));
    await clear(clocked.warm.at(-1));
    await goTo(2, line);
    clocked.vscode.push(await clock("i"));
    await clear(clocked.vscode.at(-1));
    if ((place + 1) % 10 === 0) console.log(`${place + 1} of ${NUM_PLACES} places`);
  }
  const vscode = clocked.vscode.filter((key) => key !== null).map((key) => key.drawnAtMs - key.keyAtMs);
  const figures = { places: NUM_PLACES, vscodeMs: quantiles(vscode) };
  for (const kind of ["cold", "warm"]) {
    const keys = clocked[kind].filter((key) => key !== null);
    const early = keys.filter((key) => key.marks.some((mark) => mark.isEarly)).length;
    figures[kind] = { withText: keys.length, early, ...stages(keys), ...added(keys, vscode) };
  }
  console.log(JSON.stringify(figures));
} catch (error) {
  await f.screenshot("failed-latency");
  throw error;
} finally {
  await f.close();
}

/** Types a key and returns what it met on its way; null without a suggestion. */
async function clock(key) {
  const { editor } = f;
  await f.probe.run("takeMarks");
  const times = await editor.clockKey(key, WAIT_MS);
  const marks = await f.probe.run("takeMarks");
  const [explained] = marks.length > 0 ? await f.probe.run("explain", 1) : [];
  await editor.press("Escape");
  await editor.noGhost();
  return times && { ...times, marks, server: explained };
}

/** Takes the key back. What is suggested then comes before the next one is typed, and goes. */
async function clear(typed) {
  const version = typed?.marks.at(-1)?.version;
  await f.editor.press("Backspace");
  if (version !== undefined) {
    const facts = { step: "answered", isFinished: true, version: version + 1 };
    await f.probe.run("untilMark", facts, WAIT_MS).catch(() => undefined); // VS Code may not ask here
  }
  await f.editor.press("Escape");
}

async function goTo(group, line) {
  await f.editor.focusGroup(group);
  await f.probe.run("moveTo", group, line);
}

/** Returns a file whose every empty body goes on as the one above it does. */
function source() {
  const body = (name) => [
    `        if self.${name} is None:`,
    `            raise ValueError("${name} is not set")`,
    `        return self.${name}`,
  ];
  const places = Array.from({ length: NUM_PLACES }, (_, idx) => [
    `class Point${idx + 1}:`,
    "    def get_x(self):",
    ...body("x"),
    "",
    "    def get_y(self):",
    "        ",
    "",
    "",
  ]);
  return places.flat().join("\n");
}
