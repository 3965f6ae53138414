/** Wires the parts together. Nothing here decides what to suggest: that is the language server. */

import * as vscode from "vscode";
import type { LanguageClient, Middleware } from "vscode-languageclient/node";

import { registerChat } from "./chat/commands";
import { registerCommands } from "./commands";
import { editSelection } from "./edit/edit";
import { watchCursor } from "./ghost/cursor";
import { GhostEvents } from "./ghost/events";
import { Gate } from "./ghost/gate";
import { GhostText } from "./ghost/middleware";
import { Preview } from "./preview/preview";
import { Tokens } from "./secrets/tokens";
import { EndTeller } from "./server/install";
import { Session } from "./server/session";
import { Surveyor } from "./server/surveyor";
import { contributedNames, serverSettings } from "./settings";
import { StatusBar } from "./status/bar";
import { whyNotRunning, type Everything, type ServerStatus } from "./status/present";

let session: Session | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel("Midfill", { log: true });
  const surveyor = new Surveyor(context);
  const tokens = new Tokens(context.secrets);
  await vscode.workspace.fs.createDirectory(context.globalStorageUri);

  let server: ServerStatus | undefined;
  const running = () => current.running;
  const refresh = () => {
    bar.refresh();
  };
  const gate = new Gate(refresh);
  const { ghost, events } = ghostText(running, gate, log);
  const current = new Session({
    log,
    find: () => surveyor.find(),
    launch: () => surveyor.launch(),
    middleware: middleware(context, ghost, running),
    wire: (client) => {
      client.onNotification("midfill/status", (status: ServerStatus) => {
        server = status;
        refresh();
      });
      client.onRequest("midfill/token", async (params: { url?: unknown }) => ({
        token: await tokens.get(params.url),
      }));
    },
  });
  session = current;
  const everything = (): Everything => ({
    session: current.state,
    server,
    gate: gate.state,
    disabledLanguage: disabledLanguage(),
  });
  const bar = new StatusBar(everything);
  const teller = new EndTeller(surveyor, log, current);
  const ended = current.onDidChange((state) => {
    if (state.kind !== "running") server = undefined;
    refresh();
    void teller.tell(state);
  });
  const commands = registerCommands({ context, log, session: current, surveyor, gate, tokens, everything });
  context.subscriptions.push(log, gate, events, ghost, current, bar, ended, ...commands);
  context.subscriptions.push(watchCursor({ client: running, isOpen: () => gate.isOpen }));
  context.subscriptions.push(...watchEditor(current, surveyor, tokens, refresh));
  context.subscriptions.push(...talking(context, log, current));
  void current.restart(); // VS Code runs no command before this function has ended
}

export async function deactivate(): Promise<void> {
  await session?.stop();
}

function ghostText(
  running: () => LanguageClient | undefined,
  gate: Gate,
  log: vscode.LogOutputChannel,
): { ghost: GhostText; events: GhostEvents } {
  const events = new GhostEvents(running);
  const ghost = new GhostText({
    client: running,
    isOpen: () => gate.isOpen,
    onShowing: (place, item) => {
      events.showing(place, item);
    },
    onError: (error) => {
      log.warn(`completion: ${error instanceof Error ? error.message : String(error)}`);
    },
  });
  return { ghost, events };
}

function middleware(
  context: vscode.ExtensionContext,
  ghost: GhostText,
  running: () => LanguageClient | undefined,
): Middleware {
  const names = contributedNames(context.extension.packageJSON);
  return {
    provideInlineCompletionItems: (document, position, request, token) =>
      ghost.provide(document, position, request, token),
    workspace: {
      configuration: (params) =>
        params.items.map((item) => {
          if (item.section !== "midfill") return null;
          const configuration = vscode.workspace.getConfiguration("midfill");
          return serverSettings(names, (name) => configuration.inspect(name));
        }),
      // The change alone is told; the server then asks, and gets what somebody set.
      didChangeConfiguration: async () => {
        await running()?.sendNotification("workspace/didChangeConfiguration", { settings: null });
      },
    },
  };
}

/** The chat and the editing of a selection, which share the preview of a change. */
function talking(
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
  current: Session,
): Pick<vscode.Disposable, "dispose">[] {
  const preview = new Preview();
  const findClient = async (): Promise<LanguageClient> => {
    const client = await current.settled();
    if (!client) throw new Error(whyNotRunning(current.state));
    return client;
  };
  const shared = { findClient, preview };
  return [
    preview,
    ...registerChat({ context, log, ...shared }),
    vscode.commands.registerCommand("midfill.edit", () => editSelection(shared)),
  ];
}

function watchEditor(
  current: Session,
  surveyor: Surveyor,
  tokens: Tokens,
  refresh: () => void,
): vscode.Disposable[] {
  return [
    tokens.onDidChange(() => {
      void current.running?.sendNotification("midfill/didChangeToken");
    }),
    vscode.window.onDidChangeActiveTextEditor(refresh),
    vscode.workspace.onDidChangeConfiguration((event) => {
      refresh();
      if (surveyor.isAffected(event)) current.restartSoon();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => {
      if (current.state.kind === "missing") void current.restart();
    }),
  ];
}

function disabledLanguage(): string | undefined {
  const language = vscode.window.activeTextEditor?.document.languageId;
  const disabled = vscode.workspace
    .getConfiguration("midfill.completion")
    .get<string[]>("disabledLanguages", []);
  return language !== undefined && disabled.includes(language) ? language : undefined;
}
