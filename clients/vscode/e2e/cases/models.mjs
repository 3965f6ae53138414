// Another model, as a user chooses it.
import assert from "node:assert/strict";
import { cp, rm } from "node:fs/promises";
import * as path from "node:path";

import { ROOT } from "../fixture.mjs";

export const models = [["another model is chosen, completes, and is left again", switches]];

async function switches(f) {
  const { editor } = f;
  const folder = path.join(f.scratch, "another");
  await cp(path.join(ROOT, "engine/midfill_engine/starter"), folder, { recursive: true });
  const before = await f.engine();
  await editor.command("Midfill: Choose the Model…");
  await editor.pick("A Hub id…"); // a folder does as well, and needs no dialog
  const input = editor.page.locator(".quick-input-widget input").first();
  await editor.page.locator(".quick-input-title", { hasText: "The model's id" }).waitFor();
  await input.fill(folder);
  await f.pace(0.1);
  await editor.press("Enter");
  await editor.untilStatus("loading model [1-9]\\d? %");
  await f.screenshot("loading");
  await f.pace(0);
  await answers(f, "another");
  await f.untilSuggests("another.py", "other-model");
  const other = (await f.engines()).find(({ pid }) => pid !== before.pid);
  assert.ok(other);
  await editor.command("Midfill: Choose the Model…");
  await editor.pick("starter");
  await answers(f, "starter");
  // It would outlive its last editor for a while, and those behind this look for one engine.
  process.kill(other.pid);
  await rm(other.record);
}

/** Waits until a model is ready: the status bar may say so of the one before. */
async function answers(f, name) {
  await f.until(async () => {
    const { state, model } = await f.probe.run("status");
    return state === "ready" && path.basename(model) === name;
  });
  await f.editor.untilStatus("Ready");
}
