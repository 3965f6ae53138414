/** The chat's page: draws what the extension tells it, and tells what the user does. */

import type { Turn } from "../chat/turns";
import type { FromPage, ToPage } from "../chat/wire";
import { Composer } from "./composer";
import { button, element } from "./element";
import { TurnView } from "./turn";

interface Kept {
  readonly draft?: string;
}

declare function acquireVsCodeApi(): {
  postMessage(message: FromPage): void;
  getState(): Kept | undefined;
  setState(state: Kept): void;
};

const SPOKEN_CHARS = 2_000;
const COMMANDS = [
  ["/explain", "what the code does, step by step"],
  ["/fix", "finds mistakes and mends them"],
  ["/tests", "writes tests for it"],
  ["/doc", "writes its documentation comments"],
] as const;

const vscode = acquireVsCodeApi();
const post = (message: FromPage): void => {
  vscode.postMessage(message);
};
const log = find("log", HTMLElement);
const announcer = find("announcer", HTMLElement);
const composer = new Composer({
  form: find("form", HTMLFormElement),
  chips: find("chips", HTMLElement),
  input: find("question", HTMLTextAreaElement),
  send: find("send", HTMLButtonElement),
  post,
  draft: vscode.getState()?.draft ?? "",
  onDraft: (draft) => {
    vscode.setState({ draft });
  },
});
let views: TurnView[] = [];

window.addEventListener("message", (event: MessageEvent<ToPage>) => {
  take(event.data);
});
// VS Code opens links by itself; the extension does it here, once it has looked at them.
log.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (!link) return;
  event.preventDefault();
  event.stopPropagation();
  post({ kind: "link", href: link.getAttribute("href") ?? "" });
});
post({ kind: "ready" });

function take(message: ToPage): void {
  switch (message.kind) {
    case "all":
      views = [];
      log.replaceChildren(...(message.turns.length === 0 ? [welcome()] : []));
      message.turns.forEach(show);
      composer.showChips(message.chips);
      composer.running(message.turns.at(-1)?.state === "running");
      log.scrollTop = log.scrollHeight;
      break;
    case "turn":
      show(message.turn);
      break;
    case "chips":
      composer.showChips(message.chips);
      break;
    case "preview":
      for (const view of views) view.preview(view.id === message.turn ? message.block : null);
      break;
    case "focus":
      composer.focus();
      break;
  }
}

/** Draws a turn, the last of which stays in sight unless the user has gone elsewhere. */
function show(turn: Turn): void {
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const known = views.find((view) => view.id === turn.id);
  const follow = (): void => {
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  };
  if (known) {
    known.update(turn, follow);
    if (turn.state !== "running") announcer.textContent = known.spoken.slice(0, SPOKEN_CHARS);
  } else {
    if (views.length === 0) log.replaceChildren();
    const view = new TurnView(turn, post);
    views.push(view);
    log.append(view.element);
    log.scrollTop = log.scrollHeight;
    composer.asked(turn.question);
    if (turn.state === "running") announcer.textContent = "Midfill is thinking.";
  }
  composer.running(turn.state === "running");
}

function welcome(): HTMLElement {
  const items = COMMANDS.map(([command, does]) =>
    element("li", "", {
      children: [
        button(command, `Ask ${command} of what goes along`, () => {
          post({ kind: "ask", text: command });
        }),
        element("span", "", { text: ` ${does}` }),
      ],
    }),
  );
  return element("div", "welcome", {
    children: [
      element("p", "", {
        text: "Ask about your code. What is selected, or else the file in front, goes along with the question; nothing else does.",
      }),
      element("ul", "", { children: items }),
      element("p", "faint", {
        text: "Answers come from the model that you chose. The bundled one completes code and cannot chat.",
      }),
    ],
  });
}

function find<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no #${id}`);
  return found;
}
