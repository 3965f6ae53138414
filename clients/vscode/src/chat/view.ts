/** The chat's view in the side bar: a web page that draws, and is told everything. */

import { randomBytes } from "node:crypto";
import * as vscode from "vscode";

import type { Preview } from "../preview/preview";
import type { Attachment, Attachments } from "./attachments";
import { act } from "./blocks";
import type { Chat } from "./chat";
import { page } from "./page";
import type { Turn } from "./turns";
import { readMessage, webAddress, type FromPage, type ToPage } from "./wire";

export const VIEW = "midfill.chatView";

export interface ViewParts {
  readonly extension: vscode.Uri;
  readonly chat: Chat<Attachment>;
  readonly attachments: Attachments;
  readonly preview: Preview;
  readonly log: vscode.LogOutputChannel;
}

export class ChatView implements vscode.WebviewViewProvider, vscode.Disposable {
  private view: vscode.WebviewView | undefined;
  private isFocusDue = false;
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly parts: ViewParts) {
    this.subscriptions = [
      vscode.window.registerWebviewViewProvider(VIEW, this),
      parts.attachments.onDidChange(() => {
        this.post({ kind: "chips", chips: parts.attachments.chips });
      }),
      parts.preview.onDidEnd(() => {
        this.post({ kind: "preview", turn: null, block: 0 });
      }),
    ];
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.view = view;
    const { webview } = view;
    const { extension } = this.parts;
    const media = vscode.Uri.joinPath(extension, "media");
    const dist = vscode.Uri.joinPath(extension, "dist");
    webview.options = { enableScripts: true, localResourceRoots: [media, dist] };
    webview.onDidReceiveMessage(async (value: unknown) => {
      const message = readMessage(value);
      try {
        if (message) await this.take(message);
      } catch (error) {
        void vscode.window.showErrorMessage(`Midfill: ${error instanceof Error ? error.message : String(error)}`);
      }
    });
    view.onDidDispose(() => {
      if (this.view === view) this.view = undefined;
    });
    webview.html = page({
      source: webview.cspSource,
      script: webview.asWebviewUri(vscode.Uri.joinPath(dist, "chat.js")).toString(),
      style: webview.asWebviewUri(vscode.Uri.joinPath(media, "chat.css")).toString(),
      nonce: randomBytes(16).toString("base64"),
    });
  }

  /** Brings the view in front, with the cursor where the question is typed. */
  async show(): Promise<void> {
    this.isFocusDue = true; // where the page is not there yet
    // Ahead of the view's own: behind it, it would take the focus back from whoever has gone on by then.
    this.post({ kind: "focus" });
    await vscode.commands.executeCommand(`${VIEW}.focus`);
  }

  turnChanged(turn: Turn): void {
    this.post({ kind: "turn", turn });
  }

  /** Draws everything anew. */
  redraw(): void {
    const { chat, attachments } = this.parts;
    this.post({ kind: "all", turns: chat.turns, chips: attachments.chips });
  }

  private async take(message: FromPage): Promise<void> {
    const { chat, attachments, preview } = this.parts;
    switch (message.kind) {
      case "ready":
        this.redraw();
        if (this.isFocusDue) this.post({ kind: "focus" });
        this.isFocusDue = false;
        break;
      case "ask":
        await chat.ask(message.text, attachments.sent);
        break;
      case "again":
        await chat.again(attachments.sent);
        break;
      case "stop":
        chat.stop();
        break;
      case "remove":
        attachments.remove(message.key);
        break;
      case "offer":
        attachments.sendFront();
        break;
      case "copy":
        await vscode.env.clipboard.writeText(message.text);
        break;
      case "link":
        await this.open(message.href);
        break;
      case "run":
        await vscode.commands.executeCommand(message.command);
        break;
      case "block":
        if (await act(message.action, message, chat.find(message.turn), preview)) {
          this.post({ kind: "preview", turn: message.turn, block: message.block });
        }
        break;
    }
  }

  /** Opens a link of an answer: VS Code asks the user before it does. */
  private async open(href: string): Promise<void> {
    const address = webAddress(href);
    if (address === undefined) this.parts.log.warn("chat: a link that is no web address was not opened");
    else await vscode.env.openExternal(vscode.Uri.parse(address, true));
  }

  private post(message: ToPage): void {
    void this.view?.webview.postMessage(message);
  }
}
