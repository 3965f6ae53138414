// What the cases share: the editor, its scratch folder, the language server's and engine's places.
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { fileURLToPath } from "node:url";

import { ChatServer } from "./chat_server.mjs";
import { Editor } from "./editor.mjs";
import { FILES } from "./files.mjs";
import { Probe } from "./probe.mjs";
import { Talk } from "./talk.mjs";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
export const OUTPUT = fileURLToPath(new URL("output", import.meta.url));
const EDITOR_FOLDER = process.env.MIDFILL_EDITOR ?? path.join(ROOT, ".make/editors/vscode");
const HERE = fileURLToPath(new URL(".", import.meta.url));
const BIN = path.join(ROOT, ".venv/bin");
const ENGINE_OUTLIVES_S = 600; // its last editor; the fixture ends it
const UNTIL_MS = 60_000; // what is waited for takes a few seconds, but tests share the machine

export class Fixture {
  /** Starts the editor with the files of the workspace open, the first of them in front. */
  static async start() {
    await rm(OUTPUT, { recursive: true, force: true });
    await mkdir(OUTPUT, { recursive: true });
    const scratch = await mkdtemp(path.join(tmpdir(), "midfill-vscode-"));
    const workspace = path.join(scratch, "workspace");
    await mkdir(workspace);
    for (const [name, text] of Object.entries(FILES)) {
      await mkdir(path.dirname(path.join(workspace, name)), { recursive: true });
      await writeFile(path.join(workspace, name), text);
    }
    // The server's process id is known to the test, which ends it.
    const server = path.join(scratch, "midfill");
    await writeFile(server, `#!/bin/sh\necho $$ > ${scratch}/server.pid\nexec ${BIN}/midfill "$@"\n`);
    await chmod(server, 0o755);
    const machineSettings = {
      "midfill.server.path": server,
      "midfill.engine.command": [`${BIN}/python`, path.join(ROOT, "clients/vscode/e2e/paced_engine.py")],
      "midfill.engine.exitWhenUnusedS": ENGINE_OUTLIVES_S,
      "midfill.engine.device": "cpu",
    };
    const editor = await Editor.start({
      editorFolder: EDITOR_FOLDER,
      vsix: process.env.MIDFILL_VSIX ?? path.join(ROOT, "clients/vscode/dist/midfill-0.1.0.vsix"),
      more: {
        "midfill-tests.probe-0.0.1": path.join(HERE, "probe"),
        "ms-python.python-0.0.1": path.join(HERE, "python-extension"),
      },
      scratch,
      workspace,
      userSettings: {},
      machineSettings,
      env: {
        MIDFILL_STATE_DIR: path.join(scratch, "state"),
        MIDFILL_CONFIG_DIR: path.join(scratch, "config"),
        MIDFILL_TEST_PACE: path.join(scratch, "pace"),
        MIDFILL_TEST_PROBE: path.join(scratch, "probe"),
      },
    });
    const probe = new Probe(path.join(scratch, "probe"));
    const talk = new Talk(editor);
    const fixture = new Fixture({ editor, probe, talk, scratch, workspace, server, machineSettings });
    try {
      await editor.openWorkspace();
      await editor.untilStatus("Ready");
    } catch (error) {
      await fixture.screenshot("failed-start");
      await fixture.close();
      throw error;
    }
    return fixture;
  }

  constructor(parts) {
    Object.assign(this, parts);
    this.firstSettings = this.machineSettings;
  }

  screenshot(name) {
    return this.editor.page.screenshot({ path: path.join(OUTPUT, `${name}.png`) });
  }

  /** Makes each model step and each tensor of a load take at least so many seconds; 0 for as fast as it can. */
  async pace(seconds) {
    const file = path.join(this.scratch, "pace");
    if (seconds > 0) await writeFile(file, String(seconds));
    else await rm(file, { force: true });
  }

  /** Returns `{pid, url, key}` of the shared engine. */
  async engine() {
    const [engine] = await this.engines();
    if (!engine) throw new Error(`no engine in ${this.scratch}/state`);
    return engine;
  }

  /** Returns `{pid, url, key, record}` of each: another model has an engine of its own. */
  async engines() {
    const folder = path.join(this.scratch, "state");
    const names = await readdir(folder);
    const records = names.filter((name) => /^engine-\w+\.json$/.test(name));
    return Promise.all(
      records.map(async (name) => {
        const record = path.join(folder, name);
        const { pid, ready_file: ready, key_file: key } = JSON.parse(await readFile(record, "utf8"));
        const { url } = JSON.parse(await readFile(ready, "utf8"));
        return { pid, url, key: (await readFile(key, "utf8")).trim(), record };
      }),
    );
  }

  async serverPid() {
    return Number(await readFile(path.join(this.scratch, "server.pid"), "utf8"));
  }

  /** Waits for what no event tells, such as a file of another process. */
  async until(holds) {
    const deadline = Date.now() + UNTIL_MS;
    while (Date.now() < deadline) {
      if (await holds().catch(() => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`not so within ${UNTIL_MS / 1000} s: ${holds}`);
  }

  /** Waits for a suggestion where the model has one, in a file of its own, and sends it away. */
  async untilSuggests(file, screenshot) {
    const { editor } = this;
    await editor.open(file);
    await editor.goTo(12, 21);
    await editor.press("Enter");
    await editor.press("Alt+\\");
    await editor.untilGhost("(text) => text.trim() !== ''");
    if (screenshot) await this.screenshot(screenshot);
    await editor.press("Escape");
  }

  /** Changes settings of the machine, as a user does. */
  async set(changes) {
    const has = this.machineSettings["midfill.backend.url"] ?? null;
    const isRestart = "midfill.backend.url" in changes && changes["midfill.backend.url"] !== has;
    const pid = isRestart && (await this.serverPid());
    this.machineSettings = { ...this.machineSettings, ...changes };
    const file = path.join(this.editor.data, "Machine/settings.json");
    await writeFile(file, JSON.stringify(this.machineSettings));
    if (isRestart) await this.until(async () => (await this.serverPid()) !== pid); // a second later
  }

  /** Lets a server answer that chats; its answers the test writes. */
  async chatServer() {
    if (!this.chats) {
      this.chats = await ChatServer.start();
      await this.set({
        "midfill.backend.kind": "openai",
        "midfill.backend.url": this.chats.url,
        "midfill.completion.enabled": false, // completions would be asked of it as well
      });
      await this.editor.untilStatus("ompletion.enabled is false");
    }
    return this.chats;
  }

  /** Lets a server complete, with the same text wherever it is asked. */
  async completionServer(text) {
    this.chats = await ChatServer.start();
    this.chats.completion = text;
    await this.set({ "midfill.backend.kind": "openai", "midfill.backend.url": this.chats.url });
    await this.untilBackend("openai");
  }

  /** Lets the engine answer again. */
  async endServer() {
    await this.set({ "midfill.backend.kind": "engine", "midfill.backend.url": null, "midfill.completion.enabled": true });
    await this.untilBackend("engine");
    await this.editor.untilStatus("Ready");
    await this.chats?.close();
    this.chats = undefined;
  }

  untilBackend(kind) {
    return this.until(async () => (await this.probe.run("status")).backend.startsWith(kind));
  }

  /** After a case that failed: settings and timers as they were, so that those behind it can do. */
  async reset() {
    await this.probe.run("unhurryTimers").catch(() => undefined); // where the window is gone
    await this.pace(0);
    this.machineSettings = this.firstSettings;
    await this.set({});
    // Else the next case that changes them would take what the window says of now for its own.
    await this.untilBackend("engine").catch(() => undefined);
    await this.chats?.close();
    this.chats = undefined;
  }

  async close() {
    await this.chats?.close();
    const engines = await this.engines().catch(() => []);
    await this.editor.close();
    for (const { pid } of engines) try { process.kill(pid); } catch { /* it has ended */ }
    await rm(this.scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}
