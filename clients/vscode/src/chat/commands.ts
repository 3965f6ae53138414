/** The chat's commands, and its parts put together. */

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

import { editorInFront } from "../documents";
import type { Preview } from "../preview/preview";
import { ask } from "./ask";
import { attachmentOf, Attachments, labelOf, type Attachment } from "./attachments";
import { Chat, type Asking } from "./chat";
import { History, type Earlier } from "./history";
import { targetIn } from "./target";
import type { Message } from "./turns";
import { ChatView } from "./view";

/** Commands of the editor's menu, and what they say to the server. */
const QUESTIONS = {
  "midfill.chat.explain": "/explain",
  "midfill.chat.fix": "/fix",
  "midfill.chat.tests": "/tests",
  "midfill.chat.doc": "/doc",
};

export interface ChatParts {
  readonly context: vscode.ExtensionContext;
  readonly log: vscode.LogOutputChannel;
  /** Waits for a server that starts; rejects with a sentence for the user if there is none. */
  readonly findClient: () => Promise<LanguageClient>;
  readonly preview: Preview;
}

/** Makes the chat; it lives as long as what is returned. */
export function registerChat(parts: ChatParts): Pick<vscode.Disposable, "dispose">[] {
  const { context, log, preview } = parts;
  const attachments = new Attachments();
  const history = new History(context.workspaceState);
  const send = (messages: Message[], about: readonly Attachment[], onText: (text: string) => void): Asking =>
    ask(parts.findClient, messages, about, onText);
  const chat = new Chat<Attachment>({
    ask: send,
    labelOf,
    history,
    onTurn: (turn) => {
      view.turnChanged(turn);
    },
    onReset: () => {
      view.redraw();
    },
    now: () => Date.now(),
  });
  const view = new ChatView({ extension: context.extensionUri, chat, attachments, preview, log });
  const commands = chatCommands(chat, view, attachments, history);
  return [
    attachments,
    view,
    ...Object.entries(commands).map(([name, run]) => vscode.commands.registerCommand(name, run)),
  ];
}

function chatCommands(
  chat: Chat<Attachment>,
  view: ChatView,
  attachments: Attachments,
  history: History,
): Record<string, () => unknown> {
  const questions = Object.entries(QUESTIONS).map(([name, question]) => {
    const run = async (): Promise<void> => {
      const editor = editorInFront();
      if (!editor) return;
      const target = await targetIn(editor);
      await view.show();
      await chat.ask(question, [target]);
    };
    return [name, run] as const;
  });
  return {
    ...Object.fromEntries(questions),
    "midfill.chat.show": () => view.show(),
    "midfill.chat.add": async () => {
      const editor = editorInFront();
      if (!editor) return;
      attachments.add(attachmentOf(editor.document.uri, editor.selection));
      await view.show();
    },
    "midfill.chat.new": async () => {
      attachments.clear();
      await chat.begin();
      await view.show();
    },
    "midfill.chat.stop": () => {
      chat.stop();
    },
    "midfill.chat.earlier": () => goBack(chat, view, history),
    "midfill.chat.forget": () => forget(chat),
  };
}

async function goBack(chat: Chat<Attachment>, view: ChatView, history: History): Promise<void> {
  const items = history.earlier().map((entry) => ({ label: titleOf(entry), description: dayOf(entry), at: entry.at }));
  if (items.length === 0) {
    void vscode.window.showInformationMessage("Midfill: there are no earlier chats in this workspace.");
    return;
  }
  const picked = await vscode.window.showQuickPick(items, { title: "Earlier chats" });
  if (!picked) return;
  await chat.goBackTo(picked.at);
  await view.show();
}

async function forget(chat: Chat<Attachment>): Promise<void> {
  const yes = "Forget";
  const text = "Forget all chats of this workspace?";
  const picked = await vscode.window.showWarningMessage(text, { modal: true }, yes);
  if (picked === yes) await chat.forgetAll();
}

function titleOf({ turns }: Earlier): string {
  const [first] = turns;
  return first ? [first.question.trim().split("\n")[0], ...first.about].join(" · ") : "";
}

function dayOf({ at }: Earlier): string {
  return new Date(at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
