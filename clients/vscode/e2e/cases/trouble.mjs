// What a user sees when something fails, and that it mends itself or says how.
import assert from "node:assert/strict";

export const trouble = [
  ["an engine that was killed comes back", engineKilled],
  ["a server that was killed comes back, and is given up after five times", serverKilled],
  ["a server that does not start is told in one message", doesNotStart],
  ["a wrong path to the server is told", wrongPath],
  ["a wrong token is told, and the right one mends it", wrongToken],
];

async function engineKilled(f) {
  const { editor } = f;
  await editor.open("killed.py");
  const { pid } = await f.engine();
  process.kill(pid, "SIGKILL");
  await editor.command("Midfill: Suggest at the Cursor");
  await f.until(async () => (await f.engine()).pid !== pid);
  await editor.untilStatus("Ready");
  await f.untilSuggests("killed.py");
}

async function serverKilled(f) {
  const { editor } = f;
  const pauses = [250, 500, 1000, 2000]; // before it is started again, which pass at once here
  await f.probe.run("hurryTimers", pauses);
  for (let time = 1; time < 5; time++) {
    const pid = await f.serverPid();
    process.kill(pid, "SIGKILL");
    await f.until(async () => (await f.serverPid()) !== pid);
    await editor.untilStatus("Ready");
  }
  process.kill(await f.serverPid(), "SIGKILL");
  const message = await editor.message("the language server does not stay up");
  const passed = await f.probe.run("unhurryTimers");
  assert.deepEqual(pauses.filter((pause) => passed.includes(pause)), pauses);
  await editor.untilStatus("It ended five times");
  await f.screenshot("given-up");
  await message.getByText("Start Again").click();
  await editor.untilStatus("Ready");
}

async function doesNotStart(f) {
  const { editor } = f;
  const right = f.machineSettings["midfill.server.path"];
  await f.probe.run("hurryTimers", [250, 500, 1000, 2000]);
  await f.set({ "midfill.server.path": "/bin/false" });
  const message = await editor.message("the language server does not stay up");
  await f.probe.run("unhurryTimers");
  assert.equal(await editor.page.locator(".notification-list-item").count(), 1);
  await message.hover();
  await message.locator(".codicon-notifications-clear").click();
  await f.set({ "midfill.server.path": right });
  await editor.untilStatus("Ready");
}

async function wrongPath(f) {
  const { editor } = f;
  const right = f.machineSettings["midfill.server.path"];
  await f.set({ "midfill.server.path": "/gone/midfill" });
  const message = await editor.message("midfill.server.path: /gone/midfill is no program.");
  await editor.untilStatus("not installed");
  await f.screenshot("wrong-path");
  await message.hover();
  await message.locator(".codicon-notifications-clear").click();
  await f.set({ "midfill.server.path": right });
  await editor.untilStatus("Ready");
}

async function wrongToken(f) {
  const { editor } = f;
  const { url, key } = await f.engine();
  await f.set({ "midfill.backend.kind": "llamacpp", "midfill.backend.url": url });
  await editor.untilStatus("signed out");
  await f.screenshot("signed-out");
  await setToken(editor, url, "wrong");
  await editor.untilStatus("signed out");
  await setToken(editor, url, key);
  await editor.untilStatus("Ready");
  await f.untilSuggests("token.py");
  const settings = JSON.stringify(f.machineSettings);
  assert.ok(!settings.includes(key));
  await f.set({ "midfill.backend.kind": "engine", "midfill.backend.url": null });
  await editor.untilStatus("Ready");
}

async function setToken(editor, url, token) {
  await editor.command("Midfill: Set a Token…");
  const input = editor.page.locator(".quick-input-widget input").first();
  await editor.page.locator(".quick-input-title", { hasText: "Which server" }).waitFor();
  await input.fill(url);
  await editor.press("Enter");
  await editor.page.locator(".quick-input-title", { hasText: "Token for" }).waitFor();
  await editor.page.locator(".quick-input-widget input[type=password]").waitFor();
  await input.fill(token);
  await editor.press("Enter");
  await editor.page.locator(".quick-input-widget").first().waitFor({ state: "hidden" });
}
