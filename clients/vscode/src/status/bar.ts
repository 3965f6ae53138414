/** The item in the status bar. */

import * as vscode from "vscode";

import { present, type Everything, type Shown } from "./present";

/** A request that takes less is not worth a spinning icon at every key. */
const THINKING_DELAY_MS = 300;

export class StatusBar implements vscode.Disposable {
  private readonly item: vscode.StatusBarItem;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly everything: () => Everything) {
    this.item = vscode.window.createStatusBarItem("midfill.status", vscode.StatusBarAlignment.Right, 100);
    this.item.name = "Midfill";
    this.item.command = "midfill.menu";
    this.refresh();
    this.item.show();
  }

  /** Shows how things are now. */
  refresh(): void {
    clearTimeout(this.timer);
    const all = this.everything();
    if (all.server?.state !== "thinking") {
      this.draw(present(all));
      return;
    }
    this.draw(present({ ...all, server: { state: "ready", reason: null } }));
    this.timer = setTimeout(() => {
      this.draw(present(this.everything()));
    }, THINKING_DELAY_MS);
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.item.dispose();
  }

  private draw(shown: Shown): void {
    this.item.text = shown.text;
    this.item.tooltip = shown.tooltip;
    this.item.accessibilityInformation = { label: shown.tooltip, role: "button" };
    this.item.backgroundColor =
      shown.severity === "none"
        ? undefined
        : new vscode.ThemeColor(`statusBarItem.${shown.severity}Background`);
  }
}
