/** The commands but those of ghost text and chat. */

import * as vscode from "vscode";

import type { Gate } from "./ghost/gate";
import { chooseBackend, chooseModel } from "./model";
import { explain, type Explanation } from "./report/explain";
import { statisticsPage, type StatusReport } from "./report/statistics";
import { clearToken, setToken } from "./secrets/commands";
import type { Tokens } from "./secrets/tokens";
import { install } from "./server/install";
import type { Session } from "./server/session";
import type { Surveyor } from "./server/surveyor";
import { showMenu } from "./status/menu";
import { present, type Everything } from "./status/present";

export interface CommandParts {
  readonly context: vscode.ExtensionContext;
  readonly log: vscode.LogOutputChannel;
  readonly session: Session;
  readonly surveyor: Surveyor;
  readonly gate: Gate;
  readonly tokens: Tokens;
  readonly everything: () => Everything;
}

export function registerCommands(parts: CommandParts): vscode.Disposable[] {
  const { context, log, session, surveyor, gate, tokens } = parts;
  const commands: Record<string, () => unknown> = {
    "midfill.trigger": () => vscode.commands.executeCommand("editor.action.inlineSuggest.trigger"),
    "midfill.menu": () => showMenu(session.state, gate.state, present(parts.everything()).tooltip),
    "midfill.togglePause": () => {
      if (gate.isOpen) gate.pause();
      else gate.open();
    },
    "midfill.snooze": () => snooze(gate),
    "midfill.toggleLanguage": toggleLanguage,
    "midfill.why": () => why(session, gate),
    "midfill.statistics": () => showStatistics(session),
    "midfill.restart": () => restart(session),
    "midfill.showLog": () => {
      log.show();
    },
    "midfill.openSettings": () =>
      vscode.commands.executeCommand("workbench.action.openSettings", `@ext:${context.extension.id}`),
    "midfill.openWalkthrough": () =>
      vscode.commands.executeCommand(
        "workbench.action.openWalkthrough",
        `${context.extension.id}#start`,
      ),
    "midfill.install": () => install(surveyor, log, session),
    "midfill.chooseModel": () => chooseModel(context.globalState),
    "midfill.chooseBackend": chooseBackend,
    "midfill.setToken": async () => {
      if (await setToken(tokens)) await session.running?.sendNotification("midfill/didChangeToken");
    },
    "midfill.clearToken": async () => {
      if (await clearToken(tokens)) await session.running?.sendNotification("midfill/didChangeToken");
    },
  };
  return Object.entries(commands).map(([name, run]) => vscode.commands.registerCommand(name, run));
}

async function restart(session: Session): Promise<void> {
  const client = session.running;
  if (!client) {
    await session.restart();
    return;
  }
  // The engine may be another editor's too, and is what most often needs it.
  const params = { command: "midfill.restartEngine", arguments: [] };
  await client.sendRequest("workspace/executeCommand", params);
  await session.restart();
}

async function snooze(gate: Gate): Promise<void> {
  const choices = [5, 15, 30, 60, 120].map((minutes) => ({ label: `${minutes} minutes`, minutes }));
  const picked = await vscode.window.showQuickPick(choices, {
    title: "No suggestions by themselves for…",
  });
  if (picked) gate.snooze(picked.minutes);
}

async function toggleLanguage(): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId;
  if (language === undefined) return;
  const group = vscode.workspace.getConfiguration("midfill.completion");
  const disabled = group.get<string[]>("disabledLanguages", []);
  const isOff = disabled.includes(language);
  const next = isOff ? disabled.filter((name) => name !== language) : [...disabled, language];
  await group.update("disabledLanguages", next, vscode.ConfigurationTarget.Global);
}

async function why(session: Session, gate: Gate): Promise<void> {
  const client = session.running;
  const log = "Show Log";
  let text = "The language server is not running.";
  if (gate.state.kind !== "open") text = `Suggestions are ${gate.state.kind} in this window.`;
  else if (client) {
    const params = { command: "midfill.explain", arguments: [] };
    text = explain(await client.sendRequest<Explanation | null>("workspace/executeCommand", params));
  }
  const picked = await vscode.window.showInformationMessage(`Midfill: ${text}`, log);
  if (picked === log) await vscode.commands.executeCommand("midfill.showLog");
}

async function showStatistics(session: Session): Promise<void> {
  const client = session.running;
  if (!client) {
    void vscode.window.showInformationMessage("Midfill: the language server is not running.");
    return;
  }
  const params = { command: "midfill.status", arguments: [] };
  const report = await client.sendRequest<StatusReport>("workspace/executeCommand", params);
  const document = await vscode.workspace.openTextDocument({
    language: "markdown",
    content: statisticsPage(report),
  });
  await vscode.window.showTextDocument(document, { preview: true });
}
