// A real VS Code (code-server) with this extension in it, driven by Chromium through
// playwright-core. Waits on what the page shows, never on time.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import * as net from "node:net";
import * as path from "node:path";
import { chromium } from "playwright-core";

const CHROMIUM_ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const TIMEOUT_MS = 120_000; // all of it starts within 15 s, but tests share the machine
const LATE_MS = 10_000;
const FOCUS_TRIES = 12;
const SAVE_TRIES = 200;
// Runs in the page: what stands in the line in pieces, then each line below.
const READ_GHOST = `() => {
  const inline = [...document.querySelectorAll(".ghost-text-decoration, .ghost-text")]
    .filter((node) => node.closest(".suggest-preview-text") === null);
  const below = [...document.querySelectorAll(".suggest-preview-text .view-line")];
  const first = inline.map((node) => node.textContent).join("");
  return [first, ...below.map((line) => line.textContent)].join("\\n").replaceAll("\u00a0", " ");
}`;

/** Returns the program that installs and runs code-server, and its Node. */
export function findEditor(folder) {
  const program = path.join(folder, "code-server/node_modules/.bin/code-server");
  const node = path.join(folder, "node24/node_modules/node/bin");
  if (!existsSync(program)) throw new Error(`no code-server in ${folder}: run make vscode-e2e`);
  return { program, node };
}

export class Editor {
  /**
   * Starts VS Code and opens a folder.
   *
   * @param options folder of code-server, the .vsix, folders of more extensions, a scratch folder,
   *   the workspace, settings, env
   */
  static async start(options) {
    const { editorFolder, vsix, more, scratch, workspace, userSettings, machineSettings, env } = options;
    const found = findEditor(editorFolder);
    const data = path.join(scratch, "data");
    const extensions = path.join(scratch, "extensions");
    const config = path.join(scratch, "config.yaml");
    await mkdir(path.join(data, "User"), { recursive: true });
    await mkdir(path.join(data, "Machine"), { recursive: true });
    await writeFile(config, "auth: none\n");
    await writeFile(path.join(data, "User/settings.json"), JSON.stringify({ ...CALM, ...userSettings }));
    await writeFile(path.join(data, "Machine/settings.json"), JSON.stringify(machineSettings));
    for (const [id, folder] of Object.entries(more)) {
      await cp(folder, path.join(extensions, id), { recursive: true });
    }
    const port = await freePort();
    const shared = ["--config", config, "--user-data-dir", data, "--extensions-dir", extensions];
    const environment = { ...process.env, ...env, PATH: `${found.node}:${process.env.PATH}` };
    await finished(spawn(found.program, [...shared, "--install-extension", vsix], { env: environment, stdio: "pipe" }));
    const server = spawn(
      found.program,
      [...shared, "--auth", "none", "--bind-addr", `127.0.0.1:${port}`, "--disable-telemetry",
        "--disable-update-check", "--disable-getting-started-override", "--ignore-last-opened"],
      { env: environment, stdio: ["ignore", "pipe", "pipe"], detached: true },
    );
    await listening(server);
    const browser = await chromium.launch({ executablePath: findChromium(), args: CHROMIUM_ARGUMENTS });
    const context = await browser.newContext({ viewport: { width: 1000, height: 620 } });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const page = await context.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    return new Editor({ server, browser, page, port, workspace, data });
  }

  constructor(parts) {
    Object.assign(this, parts);
    this.group = 1; // of editors, the one last gone to
  }

  /** Opens the workspace. */
  async openWorkspace() {
    const query = new URLSearchParams({ folder: this.workspace });
    await this.page.goto(`http://127.0.0.1:${this.port}/?${query}`);
    await this.page.waitForSelector(".monaco-workbench", { state: "attached" });
  }

  /** Changes settings of the user's own, for windows that are opened from now on. */
  async setOwn(changes) {
    const file = path.join(this.data, "User/settings.json");
    const settings = JSON.parse(await readFile(file, "utf8"));
    await writeFile(file, JSON.stringify({ ...settings, ...changes }));
  }

  /** Opens a file of the workspace in front. */
  async open(file) {
    await this.quickInput("Control+p", file);
    await this.untilFile(file);
  }

  /** Waits until a file is in front, and the cursor in it. */
  async untilFile(file) {
    await this.page.locator(`.tab.active[data-resource-name="${file}"]`).waitFor();
    await this.focusEditor();
  }

  /** Opens an input at the top, fills it, waits for an entry and takes it. */
  async quickInput(key, text, entry = text) {
    const input = this.page.locator(".quick-input-widget input").first();
    await this.page.keyboard.press(key);
    await input.waitFor({ state: "visible" });
    await input.fill(text, { timeout: LATE_MS }).catch(async () => {
      await this.page.keyboard.press(key); // a view that took the focus late, as on a busy machine, closed it
      await input.fill(text);
    });
    await this.page.locator(".quick-input-list .monaco-list-row.focused", { hasText: entry }).waitFor();
    await this.page.keyboard.press("Enter");
  }

  /** Takes an entry of the list that is open at the top. */
  async pick(entry) {
    const row = this.page.locator(".quick-input-list .monaco-list-row", { hasText: entry });
    await row.first().click();
  }

  /** Runs a command by its title, through the command palette. */
  command(title) {
    return this.quickInput("F1", `>${title}`, title);
  }

  /** Goes to a place in the file in front; both count from 1. */
  async goTo(line, column) {
    await this.quickInput("Control+g", `:${line}:${column}`, "Press 'Enter' to go to");
    await this.page.locator(".quick-input-widget").first().waitFor({ state: "hidden" });
    await this.holdFocus();
  }

  /** Selects whole lines of the file in front; both count from 1. */
  async select(first, last) {
    await this.goTo(first, 1);
    for (let line = first; line <= last; line++) await this.press("Shift+ArrowDown");
  }

  /** Puts the focus into the first group of editors, wherever it is. */
  focusFirstEditor() {
    return this.focusGroup(1);
  }

  async focusGroup(number) {
    this.group = number;
    await this.press(`Control+${number}`);
    await this.holdFocus();
  }

  async focusEditor() {
    await this.page.waitForFunction(() => document.activeElement?.closest(".monaco-editor") !== null);
  }

  /**
   * Waits for the focus in the group of editors last gone to, and takes it there again from a view
   * that took it late, or did not let the key through.
   */
  async holdFocus() {
    for (let tries = 1; ; tries++) {
      try {
        await this.page.waitForFunction(
          (idx) => {
            const focused = document.activeElement;
            const group = document.querySelectorAll(".editor-group-container")[idx];
            return group?.contains(focused) && focused.closest(".monaco-editor") !== null;
          },
          this.group - 1,
          { timeout: TIMEOUT_MS / FOCUS_TRIES },
        );
        return;
      } catch (error) {
        if (tries === FOCUS_TRIES) throw error;
        await this.press(`Control+${this.group}`);
      }
    }
  }

  type(text) {
    return this.page.keyboard.type(text);
  }

  press(key) {
    return this.page.keyboard.press(key);
  }

  /** Waits for ghost text that a function of its text accepts, and returns it. */
  async untilGhost(accepts = "(text) => text !== ''") {
    const handle = await this.page.waitForFunction(
      ([read, source]) => {
        const text = (0, eval)(read)();
        return (0, eval)(source)(text) ? { text } : false;
      },
      [READ_GHOST, accepts],
    );
    return (await handle.jsonValue()).text;
  }

  /** Notes every change of the ghost text from now on, as frames show it. */
  record() {
    return this.page.evaluate((source) => {
      const read = (0, eval)(source);
      window.recorder?.disconnect();
      window.recorded = [];
      let isDue = false;
      const look = () => {
        isDue = false;
        const text = read();
        if (window.recorded.at(-1) !== text) window.recorded.push(text);
      };
      // A change may come in pieces; what counts is what stands there once the frame is drawn.
      window.recorder = new MutationObserver(() => {
        if (isDue) return;
        isDue = true;
        window.requestAnimationFrame(() => setTimeout(look, 0));
      });
      window.recorder.observe(document.body, { childList: true, subtree: true, characterData: true });
    }, READ_GHOST);
  }

  recorded() {
    return this.page.evaluate(() => window.recorded);
  }

  /** Makes the page ready for `clockKey`. */
  clock() {
    return this.page.evaluate((source) => {
      const read = (0, eval)(source);
      const absolute = (ms) => performance.timeOrigin + ms;
      window.clocked = { keyAtMs: 0, drawnAtMs: null };
      document.addEventListener(
        "keydown",
        (event) => (window.clocked = { keyAtMs: absolute(event.timeStamp), drawnAtMs: null, isDue: false }),
        true,
      );
      new MutationObserver(() => {
        const clocked = window.clocked;
        if (clocked.isDue || read() === "") return;
        clocked.isDue = true;
        window.requestAnimationFrame(() => setTimeout(() => (clocked.drawnAtMs = absolute(performance.now())), 0));
      }).observe(document.body, { childList: true, subtree: true, characterData: true });
    }, READ_GHOST);
  }

  /**
   * Presses a key where no ghost text stands. Returns when it was pressed and when ghost text was
   * drawn, in ms since the epoch; null if none came.
   */
  async clockKey(key, waitMs) {
    await this.noGhost();
    await this.press(key);
    try {
      await this.page.waitForFunction(() => window.clocked.drawnAtMs !== null, null, { timeout: waitMs });
    } catch {
      return null;
    }
    const { keyAtMs, drawnAtMs } = await this.page.evaluate(() => window.clocked);
    return { keyAtMs, drawnAtMs };
  }

  /** Returns a message that holds a text, once it is shown. */
  async message(text) {
    const message = this.page.locator(".notifications-toasts .notification-list-item", { hasText: text });
    await message.first().waitFor({ state: "visible" });
    return message.first();
  }

  noGhost() {
    return this.untilGhost("(text) => text === ''");
  }

  async untilStatus(pattern) {
    await this.page.waitForFunction(
      (source) => {
        const item = document.querySelector('[id="midfill.midfill.status"], [id$="midfill.status"]');
        const label = item?.querySelector("a")?.getAttribute("aria-label") ?? "";
        return new RegExp(source).test(`${item?.textContent ?? ""} ${label}`);
      },
      pattern,
    );
  }

  /** Saves the file in front, and returns what stands on the disk. */
  async save(file) {
    await this.page.keyboard.press("Control+s");
    await this.page.waitForFunction(() => document.querySelector(".tab.active.dirty") === null);
    // A file that was not changed is written too, and is empty for a moment; none of these is else.
    for (let tries = 1; tries < SAVE_TRIES; tries++) {
      const text = await readFile(path.join(this.workspace, file), "utf8");
      if (text !== "") return text;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return "";
  }

  async close() {
    await this.browser.close();
    if (this.server.exitCode === null) {
      const gone = once(this.server, "exit");
      process.kill(-this.server.pid, "SIGTERM");
      await gone;
    }
  }
}

/** What keeps the editor quiet, for tests that look at nothing but the suggestions. */
const CALM = {
  "workbench.startupEditor": "none",
  "extensions.autoUpdate": false,
  "editor.quickSuggestions": { other: "off", comments: "off", strings: "off" },
  "editor.suggestOnTriggerCharacters": false,
  "editor.wordBasedSuggestions": "off",
  "editor.minimap.enabled": false,
  "editor.inlineSuggest.enabled": true,
  "files.autoSave": "off",
  "workbench.tips.enabled": false,
  "workbench.editor.enablePreview": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "git.enabled": false,
  "chat.disableAIFeatures": true,
  "security.workspace.trust.enabled": false,
  "security.workspace.trust.startupPrompt": "never",
  "security.workspace.trust.banner": "never",
};

function findChromium() {
  const named = process.env.MIDFILL_CHROMIUM;
  const places = [named, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const found = places.find((place) => place !== undefined && existsSync(place));
  if (!found) throw new Error("no Chromium found: apt install chromium, or set MIDFILL_CHROMIUM");
  return found;
}

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function finished(child) {
  let output = "";
  child.stdout.on("data", (data) => (output += data));
  child.stderr.on("data", (data) => (output += data));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${child.spawnfile} ended with ${code}:\n${output}`);
}

function listening(server) {
  return new Promise((resolve, reject) => {
    let output = "";
    const look = (data) => {
      output += data;
      if (/HTTP server listening/.test(output)) resolve();
    };
    server.stdout.on("data", look);
    server.stderr.on("data", look);
    server.on("exit", (code) => reject(new Error(`code-server ended with ${code}:\n${output}`)));
  });
}
