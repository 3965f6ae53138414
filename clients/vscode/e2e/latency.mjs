// Keystroke to ghost text as the user sees it in VS Code, beside the language server's own figure:
// `npm run latency`. One key at each of 60 places, none of which an earlier answer covers.
// The last line of stdout is JSON.
import { writeFile } from "node:fs/promises";
import * as path from "node:path";

import { Fixture } from "./fixture.mjs";

const NUM_PLACES = 60;
const WAIT_MS = 3_000;
const FILE = "places.py";
const LINES_A_PLACE = 10;
const CURSOR_LINE = 8;

const f = await Fixture.start();
try {
  const { editor } = f;
  await writeFile(path.join(f.workspace, FILE), source());
  await editor.open(FILE);
  await editor.goTo(CURSOR_LINE, 1);
  await editor.press("End");
  await editor.clock();
  const seen = [];
  for (let place = 0; place < NUM_PLACES; place++) {
    const tookMs = await editor.clockKey("i", WAIT_MS);
    if (tookMs !== null) seen.push(tookMs);
    await editor.press("Escape");
    await editor.press("Backspace");
    for (let i = 0; i < LINES_A_PLACE; i++) await editor.press("ArrowDown");
    await editor.press("End");
  }
  const server = await serverFigures(editor);
  const figures = {
    places: NUM_PLACES,
    withSuggestion: seen.length,
    pageMs: { p50: quantile(seen, 0.5), p95: quantile(seen, 0.95) },
    serverFirstTextMs: server,
    addedP50Ms: Number((quantile(seen, 0.5) - server.p50).toFixed(1)),
  };
  console.log(JSON.stringify(figures));
} finally {
  await f.close();
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

function quantile(values, share) {
  const ranked = [...values].sort((one, other) => one - other);
  return Number(ranked[Math.min(ranked.length - 1, Math.floor(ranked.length * share))].toFixed(1));
}

/** Returns the server's own p50 and p95 of the same requests, from the statistics page. */
async function serverFigures(editor) {
  await editor.command("Midfill: Statistics");
  const row = editor.page.locator(".view-line", { hasText: "to the first text" });
  await row.waitFor();
  const text = (await row.textContent()).replaceAll("\u00a0", " ");
  const [, p50, p95] = /\| ([\d.]+) \| ([\d.]+) \|/.exec(text);
  return { p50: Number(p50), p95: Number(p95) };
}
