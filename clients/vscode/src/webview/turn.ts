/** One question and its answer in the page. */

import type { Turn } from "../chat/turns";
import type { BlockAction, FromPage } from "../chat/wire";
import { button, element } from "./element";
import { render, type Fence } from "./markdown";

export type Post = (message: FromPage) => void;

export class TurnView {
  readonly element: HTMLElement;
  private readonly answer = element("div", "answer");
  private turn: Turn;
  private isDue = false;
  /** The block that is being looked at as a change. */
  private previewed: number | null = null;

  constructor(
    turn: Turn,
    private readonly post: Post,
  ) {
    this.turn = turn;
    const about = turn.about.map((name) => element("li", "chip", { text: name }));
    this.element = element("article", "turn", {
      children: [
        element("div", "question", {
          children: [
            element("h2", "unseen", { text: "You" }),
            element("p", "", { text: turn.question }),
            ...(about.length > 0 ? [element("ul", "about", { children: about })] : []),
          ],
        }),
        element("h2", "unseen", { text: "Midfill" }),
        this.answer,
      ],
    });
    this.draw();
  }

  get id(): number {
    return this.turn.id;
  }

  /** What a screen reader is told at the end. */
  get spoken(): string {
    return this.answer.textContent;
  }

  /** Draws the turn as it is now; while it grows at most once a frame. */
  update(turn: Turn, onDrawn: () => void): void {
    this.turn = turn;
    if (turn.state !== "running") {
      this.draw();
      onDrawn();
    } else if (!this.isDue) {
      this.isDue = true;
      requestAnimationFrame(() => {
        if (this.isDue) this.draw();
        onDrawn();
      });
    }
  }

  preview(block: number | null): void {
    if (this.previewed === block) return;
    this.previewed = block;
    this.draw();
  }

  private draw(): void {
    this.isDue = false;
    const { answer, state } = this.turn;
    const { nodes, fences } = render(answer);
    const body = element("div", "markdown", { children: [nodes] });
    if (state !== "running") {
      body.querySelectorAll("pre.fence").forEach((pre, idx) => {
        const fence = fences[idx];
        if (fence) this.frame(pre, fence, idx);
      });
    }
    this.answer.replaceChildren(body, ...this.footer());
    this.answer.setAttribute("aria-busy", String(state === "running"));
  }

  /** Puts a bar with the block's buttons on top of it. */
  private frame(pre: Element, fence: Fence, idx: number): void {
    const name = fence.language === "" ? "code" : fence.language;
    pre.setAttribute("tabindex", "0"); // it scrolls, by keys too
    const bar = element("div", "bar", {
      attributes: { role: "toolbar", "aria-label": `Block ${idx + 1}: ${name}` },
      children: [element("span", "language", { text: name }), ...this.blockButtons(fence, idx)],
    });
    const block = element("div", "block");
    pre.replaceWith(block);
    block.append(bar, pre);
  }

  private blockButtons(fence: Fence, idx: number): HTMLElement[] {
    const act = (action: BlockAction) => () => {
      this.post({ kind: "block", action, turn: this.turn.id, block: idx, ...fence });
    };
    if (this.previewed === idx) {
      return [
        button("Accept", "Write the change into the file", () => {
          this.post({ kind: "run", command: "midfill.preview.accept" });
        }),
        button("Reject", "Take the change away", () => {
          this.post({ kind: "run", command: "midfill.preview.reject" });
        }),
      ];
    }
    return [
      button("Apply", "Show it as a change of the file, to accept or reject", act("apply")),
      button("Insert", "Insert it at the cursor, in place of what is selected", act("insert")),
      button("New file", "Open it as a new file", act("newFile")),
      button("Copy", "Copy the code", (self) => {
        act("copy")();
        self.textContent = "Copied";
      }),
    ];
  }

  private footer(): HTMLElement[] {
    const { state, error, notes, answer } = this.turn;
    const parts: HTMLElement[] = [];
    if (state === "running") parts.push(element("p", "faint", { text: answer === "" ? "Thinking…" : "Writing…" }));
    if (state === "stopped") parts.push(element("p", "faint", { text: "Stopped." }));
    if (state === "failed") parts.push(this.failure(error ?? "It failed."));
    if (notes.length > 0) {
      const items = notes.map((note) => element("li", "", { text: sentence(note) }));
      parts.push(element("ul", "notes faint", { attributes: { "aria-label": "Notes" }, children: items }));
    }
    if (state !== "running" && answer !== "") {
      const copy = button("Copy answer", "Copy the whole answer", (self) => {
        this.post({ kind: "copy", text: answer });
        self.textContent = "Copied";
      });
      parts.push(element("div", "row", { children: [copy] }));
    }
    return parts;
  }

  private failure(error: string): HTMLElement {
    const run = (command: "midfill.chooseModel" | "midfill.chooseBackend" | "midfill.showLog") => () => {
      this.post({ kind: "run", command });
    };
    const again = button("Try again", "Ask the question once more", () => {
      this.post({ kind: "again" });
    });
    again.classList.add("again");
    return element("div", "error", {
      attributes: { role: "alert" },
      children: [
        element("p", "", { text: sentence(error) }),
        element("div", "row", {
          children: [
            again,
            button("Choose the model…", "Choose a model that chats", run("midfill.chooseModel")),
            button("Choose who answers…", "Choose another server", run("midfill.chooseBackend")),
            button("Show the log", "Show what the server says", run("midfill.showLog")),
          ],
        }),
      ],
    });
  }
}

function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
