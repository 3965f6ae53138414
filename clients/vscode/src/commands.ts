/** The commands but those of ghost text and chat. */

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

import type { Gate } from "./ghost/gate";
import { heldSettings } from "./held";
import { chooseBackend, chooseModel } from "./model";
import { explain, type Explanation } from "./report/explain";
import { StatisticsPage } from "./report/page";
import { statisticsPage, type StatusReport } from "./report/statistics";
import { clearToken, setToken } from "./secrets/commands";
import type { Tokens } from "./secrets/tokens";
import { install } from "./server/install";
import type { Session } from "./server/session";
import type { Surveyor } from "./server/surveyor";
import { showMenu } from "./status/menu";
import { present, whyNotRunning, type Everything } from "./status/present";

/** An engine that hangs is ended by force after 5 s (`_END_TIMEOUT_S`); this must have been done by then. */
const ENGINE_TIMEOUT_MS = 7_000;

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
  const page = new StatisticsPage();
  const commands: Record<string, () => unknown> = {
    "midfill.trigger": () => vscode.commands.executeCommand("editor.action.inlineSuggest.trigger"),
    "midfill.menu": () => showMenu(session.state, gate.state, present(parts.everything()).tooltip),
    "midfill.togglePause": () => {
      if (gate.isOpen) gate.pause();
      else gate.open();
    },
    "midfill.snooze": () => snooze(gate),
    "midfill.toggleLanguage": () => withServer(session, toggleLanguage),
    "midfill.why": () => why(session, gate),
    "midfill.statistics": () => withServer(session, (client) => showStatistics(client, page)),
    "midfill.restart": () => restart(session, log),
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
    "midfill.chooseModel": () => withServer(session, (client) => chooseModel(client, context.globalState)),
    "midfill.chooseBackend": () => withServer(session, chooseBackend),
    "midfill.setToken": () => setToken(tokens, session.running),
    "midfill.clearToken": () => clearToken(tokens, session.running),
  };
  const registered = Object.entries(commands).map(([name, run]) => vscode.commands.registerCommand(name, run));
  return [page.register(), ...registered];
}

/** Runs what asks the language server, or tells why there is none. */
async function withServer(session: Session, run: (client: LanguageClient) => Promise<void>): Promise<void> {
  const client = session.running;
  if (client) await run(client);
  else void vscode.window.showErrorMessage(`Midfill: ${whyNotRunning(session.state)}`);
}

/** Restarts the engine, which may be another editor's too and most often needs it, and the language server. */
async function restart(session: Session, log: vscode.LogOutputChannel): Promise<void> {
  const client = session.running;
  if (client) {
    const params = { command: "midfill.restartEngine", arguments: [] };
    const asked = client.sendRequest("workspace/executeCommand", params).catch((error: unknown) => {
      log.warn(`restart of the engine: ${error instanceof Error ? error.message : String(error)}`);
    });
    // A language server that hangs never answers, and is replaced all the same.
    await Promise.race([asked, new Promise((end) => setTimeout(end, ENGINE_TIMEOUT_MS))]);
  }
  await session.restart();
}

async function snooze(gate: Gate): Promise<void> {
  const choices = [5, 15, 30, 60, 120].map((minutes) => ({ label: `${minutes} minutes`, minutes }));
  const picked = await vscode.window.showQuickPick(choices, {
    title: "No suggestions by themselves for…",
  });
  if (picked) gate.snooze(picked.minutes);
}

async function toggleLanguage(client: LanguageClient): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId;
  if (language === undefined) return;
  const group = vscode.workspace.getConfiguration("midfill.completion");
  const held = (await heldSettings(client))["completion.disabledLanguages"].value;
  // A workspace's file may have added to what holds: where the user's list is here, that is taken.
  const own = group.inspect<string[]>("disabledLanguages")?.globalValue ?? held;
  const isOff = held.includes(language);
  const next = isOff ? own.filter((name) => name !== language) : [...own, language];
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

async function showStatistics(client: LanguageClient, page: StatisticsPage): Promise<void> {
  const params = { command: "midfill.status", arguments: [] };
  const report = await client.sendRequest<StatusReport>("workspace/executeCommand", params);
  await page.show(statisticsPage(report));
}
