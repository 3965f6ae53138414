// Drives the chat's view and the preview of a change.

export class Talk {
  constructor(editor) {
    this.editor = editor;
    this.page = editor.page;
  }

  /** The chat's page, which VS Code keeps in a frame of a frame. */
  get frame() {
    return this.page.frameLocator("iframe.webview").frameLocator("#active-frame");
  }

  /** What goes along with the next question. */
  get chips() {
    return this.frame.locator("#chips .chip");
  }

  /** Waits until the cursor is where questions are typed: a command that shows the chat is over. */
  async untilFocused() {
    // The frame takes itself for focused as long as it lives, so both are asked.
    await this.frame.locator("#question:focus").waitFor();
    await this.page.waitForFunction(() => document.activeElement?.matches("iframe.webview"));
  }

  /** Asks, and waits until the question stands there. */
  async ask(question) {
    const turns = this.frame.locator(".turn");
    const before = await turns.count();
    await this.frame.locator("#question").fill(question);
    await this.frame.locator("#question").press("Enter");
    await turns.nth(before).waitFor();
  }

  /** Returns the last answer, once it is in a state. */
  async answer(isRunning = false) {
    const answer = this.frame.locator(`.turn:last-child .answer[aria-busy=${isRunning}]`);
    await answer.waitFor();
    return answer;
  }

  /** Returns what went along with the last question. */
  about() {
    return this.frame.locator(".turn:last-child .about").textContent();
  }

  /** Says what shall become of the selection. */
  async edit(instruction) {
    await this.editor.command("Midfill: Edit the Selection…");
    await this.page.locator(".quick-input-title", { hasText: "what shall become" }).waitFor();
    await this.page.locator(".quick-input-widget input").first().fill(instruction);
    await this.page.keyboard.press("Enter");
  }

  /** Waits for a change to be shown; returns one of its actions if it is named. */
  async change(action) {
    await this.page.locator(".tab.active", { hasText: "Midfill's change" }).waitFor();
    await this.page.locator(".monaco-diff-editor").first().waitFor();
    if (action === undefined) return undefined;
    const found = this.page.locator(`.editor-actions .action-label[aria-label^="${action}"]`).first();
    await found.waitFor();
    return found;
  }

  /** Waits until no change is shown, and the cursor is in a file. */
  async noChange(file) {
    await this.page.locator(".tab", { hasText: "Midfill's change" }).waitFor({ state: "detached" });
    await this.editor.untilFile(file);
  }
}
