// Which server is started: that of the environment that the Python extension has chosen, but none
// of the workspace's where that is not trusted. The last cases: they open the window anew.
import assert from "node:assert/strict";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import * as path from "node:path";

export const starting = [
  ["the environment of the Python extension has the server", pythonExtension],
  ["a command runs while the server starts", hanging],
  ["a workspace that is not trusted chooses no program; a missing server is told", untrusted],
];

async function pythonExtension(f) {
  const bin = path.join(f.workspace, ".venv/bin");
  await mkdir(bin, { recursive: true });
  const { "midfill.server.path": server } = f.machineSettings;
  await writeFile(path.join(bin, "midfill"), `#!/bin/sh\ntouch ${f.scratch}/workspace-ran\nexec ${server} "$@"\n`);
  await chmod(path.join(bin, "midfill"), 0o755);
  await f.set({ "midfill.server.path": null });
  await f.until(() => readFile(path.join(f.scratch, "workspace-ran")).then(() => true));
  await f.editor.untilStatus("Ready");
}

async function hanging(f) {
  const { editor } = f;
  const program = path.join(f.scratch, "hangs");
  await writeFile(program, "#!/bin/sh\nexec sleep 600\n");
  await chmod(program, 0o755);
  await f.set({ "midfill.server.path": program });
  await editor.openWorkspace();
  await editor.untilStatus("starting");
  await editor.command("Midfill: Actions…");
  await editor.page.locator(".quick-input-widget", { hasText: "Start again" }).waitFor();
  await editor.press("Escape");
  await f.set({ "midfill.server.path": null });
  await editor.untilStatus("Ready");
}

async function untrusted(f) {
  const { editor } = f;
  await rm(path.join(f.scratch, "workspace-ran"));
  await editor.setOwn({ "security.workspace.trust.enabled": true });
  await editor.openWorkspace();
  await editor.untilStatus("not installed");
  const message = await editor.message("The language server `midfill` was not found.");
  await message.getByText("Open Settings", { exact: true }).waitFor();
  await f.screenshot("missing-server");
  assert.equal(await f.probe.run("isTrusted"), false);
  await f.probe.run("checkSettings");
  await message.hover();
  await message.locator(".codicon-notifications-clear").click();
  // The user's own settings still choose one, and it works.
  await f.set({ "midfill.server.path": f.server });
  await editor.untilStatus("Ready");
  await f.untilSuggests("untrusted.py", "untrusted");
  await assert.rejects(readFile(path.join(f.scratch, "workspace-ran")));
}
