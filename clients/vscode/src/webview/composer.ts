/** Where a question is typed, and what goes along with it. */

import type { Chip, Chips } from "../chat/wire";
import { button, element } from "./element";
import type { Post } from "./turn";

export interface ComposerParts {
  readonly form: HTMLFormElement;
  readonly chips: HTMLElement;
  readonly input: HTMLTextAreaElement;
  readonly send: HTMLButtonElement;
  readonly post: Post;
  readonly draft: string;
  /** Called with what is typed, so that it outlives the page. */
  readonly onDraft: (text: string) => void;
}

export class Composer {
  private isRunning = false;
  private lastQuestion = "";

  constructor(private readonly parts: ComposerParts) {
    const { form, input, post, onDraft, draft } = parts;
    input.value = draft;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.isRunning) post({ kind: "stop" });
      else this.submit();
    });
    input.addEventListener("input", () => {
      onDraft(input.value);
    });
    input.addEventListener("keydown", (event) => {
      this.key(event);
    });
  }

  focus(): void {
    this.parts.input.focus();
  }

  /** Tells whether an answer is being written: the button then stops it. */
  running(isRunning: boolean): void {
    this.isRunning = isRunning;
    this.parts.send.textContent = isRunning ? "Stop" : "Send";
  }

  asked(question: string): void {
    this.lastQuestion = question;
  }

  showChips({ sent, offered }: Chips): void {
    const items = sent.map((chip) => element("li", "chip", { title: chip.title, children: this.sentChip(chip) }));
    if (offered) {
      const add = button(`+ ${offered.label}`, `Send along: ${offered.title}`, () => {
        this.parts.post({ kind: "offer" });
      });
      items.push(element("li", "chip offered", { children: [add] }));
    }
    this.parts.chips.replaceChildren(...items);
  }

  private sentChip(chip: Chip): Node[] {
    const remove = button("×", `Do not send ${chip.label}`, () => {
      this.parts.post({ kind: "remove", key: chip.key });
      this.focus();
    });
    remove.setAttribute("aria-label", `Do not send ${chip.label}`);
    return [element("span", "", { text: chip.label }), remove];
  }

  private submit(): void {
    const { input, post, onDraft } = this.parts;
    const text = input.value;
    if (text.trim() === "") return;
    input.value = "";
    onDraft("");
    post({ kind: "ask", text });
  }

  private key(event: KeyboardEvent): void {
    const { input, post, onDraft } = this.parts;
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.submit();
    } else if (event.key === "Escape" && this.isRunning) {
      event.preventDefault();
      post({ kind: "stop" });
    } else if (event.key === "ArrowUp" && input.value === "" && this.lastQuestion !== "") {
      event.preventDefault();
      input.value = this.lastQuestion;
      onDraft(input.value);
    }
  }
}
