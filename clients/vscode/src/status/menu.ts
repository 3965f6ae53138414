/** The menu behind the status bar's item. */

import * as vscode from "vscode";

import type { GateState } from "../ghost/gate";
import type { SessionState } from "../server/session";

interface Entry extends vscode.QuickPickItem {
  readonly run?: string;
}

export async function showMenu(session: SessionState, gate: GateState, status: string): Promise<void> {
  const entries = session.kind === "running" ? runningEntries(gate) : stoppedEntries(session);
  const language = vscode.window.activeTextEditor?.document.languageId;
  if (session.kind === "running" && language !== undefined) {
    entries.splice(1, 0, entry("$(code)", `Switch on or off for ${language}`, "midfill.toggleLanguage"));
  }
  const picked = await vscode.window.showQuickPick(entries, { title: "Midfill", placeHolder: status });
  if (picked?.run !== undefined) await vscode.commands.executeCommand(picked.run);
}

function runningEntries(gate: GateState): Entry[] {
  const gateEntries =
    gate.kind === "open"
      ? [
          entry("$(debug-pause)", "Pause in this window", "midfill.togglePause"),
          entry("$(bell-slash)", "Snooze…", "midfill.snooze"),
        ]
      : [entry("$(play)", "Go on suggesting", "midfill.togglePause")];
  return [
    ...gateEntries,
    entry("$(question)", "Why no suggestion?", "midfill.why"),
    entry("$(comment-discussion)", "Chat", "midfill.chat.show"),
    separator("Model"),
    entry("$(chip)", "Choose the model…", "midfill.chooseModel"),
    entry("$(server)", "Choose who answers…", "midfill.chooseBackend"),
    entry("$(key)", "Set a token…", "midfill.setToken"),
    separator("Server"),
    entry("$(graph)", "Statistics", "midfill.statistics"),
    entry("$(debug-restart)", "Restart", "midfill.restart"),
    entry("$(output)", "Show the log", "midfill.showLog"),
    entry("$(gear)", "Settings", "midfill.openSettings"),
  ];
}

function stoppedEntries(session: SessionState): Entry[] {
  const install = entry("$(cloud-download)", "Install the language server…", "midfill.install");
  return [
    ...(session.kind === "missing" && session.missing.canInstall ? [install] : []),
    entry("$(debug-restart)", "Start again", "midfill.restart"),
    entry("$(output)", "Show the log", "midfill.showLog"),
    entry("$(gear)", "Settings", "midfill.openSettings"),
  ];
}

function entry(icon: string, label: string, run: string): Entry {
  return { label: `${icon} ${label}`, run };
}

function separator(label: string): Entry {
  return { label, kind: vscode.QuickPickItemKind.Separator };
}
