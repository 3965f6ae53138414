/** Offers to make the private environment, and shows how it goes. */

import * as vscode from "vscode";

import { Cancelled, EnvironmentError, makeEnvironment } from "./environment";
import type { Missing } from "./find";
import { hasGpu } from "./gpu";
import type { Session, SessionState } from "./session";
import type { Extra } from "./pip";
import { textOf, type Surveyor } from "./surveyor";
import { readWheels } from "./wheel";

const INSTALL = "Install";
const SHOW_LOG = "Show Log";
const AGAIN = "Start Again";
const SETTINGS = "Open Settings";

/** Tells the user where a state is one that only they can mend. */
export class EndTeller {
  /**
   * Nobody can take a message back: while one is there, the status bar alone tells a newer reason,
   * unless that can be mended by installing and the message does not offer it.
   */
  private told: { canInstall: boolean } | undefined;

  constructor(
    private readonly surveyor: Surveyor,
    private readonly log: vscode.LogOutputChannel,
    private readonly session: Session,
  ) {}

  async tell(state: SessionState): Promise<void> {
    if (state.kind === "missing") await this.offer(state.missing);
    else if (state.kind === "failed") {
      const text = `Midfill: the language server does not stay up. ${state.reason}`;
      const picked = await vscode.window.showErrorMessage(text, SHOW_LOG, AGAIN);
      if (picked === SHOW_LOG) this.log.show();
      if (picked === AGAIN) await this.session.restart();
    }
  }

  private async offer(missing: Missing): Promise<void> {
    if (this.told && (this.told.canInstall || !missing.canInstall)) return;
    const told = { canInstall: missing.canInstall };
    this.told = told;
    const picked = await (missing.canInstall
      ? vscode.window.showInformationMessage(
          `Midfill: ${missing.reason} It can be installed into an environment of its own, which nothing else uses.`,
          INSTALL,
          SETTINGS,
        )
      : vscode.window.showErrorMessage(`Midfill: ${missing.reason}`, SETTINGS));
    if (this.told === told) this.told = undefined;
    if (picked === INSTALL) await install(this.surveyor, this.log, this.session);
    if (picked === SETTINGS) await vscode.commands.executeCommand("midfill.openSettings");
  }
}

/** Makes the private environment behind a progress bar, then starts the server. */
export async function install(
  surveyor: Surveyor,
  log: vscode.LogOutputChannel,
  session: Session,
): Promise<void> {
  const wheels = await readWheels(surveyor.extensionFolder);
  if (Object.keys(wheels).length === 0) {
    void vscode.window.showErrorMessage(
      "Midfill: this build of the extension brings no checksum of its server. Install it yourself " +
        '(pip install "midfill[engine]") and set midfill.server.path.',
    );
    return;
  }
  const server = vscode.workspace.getConfiguration("midfill.server");
  const python = textOf(server, "python");
  const work = (
    progress: vscode.Progress<{ message: string }>,
    token: vscode.CancellationToken,
  ): Promise<void> =>
    makeEnvironment({
      folder: surveyor.privateEnvironment,
      wheel: { place: textOf(server, "wheel"), version: surveyor.version },
      wheels,
      extra: extraOf(server.get<boolean>("withEngine", true)),
      pipArguments: server.get<string[]>("pipArguments", []),
      pythons: python === null ? ["python3", "python"] : [python],
      log: (line) => {
        log.info(line);
      },
      tell: (message) => {
        progress.report({ message });
      },
      token,
    });
  try {
    await vscode.window.withProgress(
      {
        location: vscode.ProgressLocation.Notification,
        title: "Installing Midfill's language server",
        cancellable: true,
      },
      work,
    );
  } catch (error) {
    await tellFailure(error, log);
    return;
  }
  await session.restart();
}

async function tellFailure(error: unknown, log: vscode.LogOutputChannel): Promise<void> {
  if (error instanceof Cancelled) {
    log.info("the installation was cancelled; the next one goes on from here");
    return;
  }
  const reason = error instanceof Error ? error.message : String(error);
  log.error(`installation: ${reason}`);
  const kind = error instanceof EnvironmentError ? "" : "unexpected: ";
  const picked = await vscode.window.showErrorMessage(
    `Midfill: the installation failed. ${kind}${reason}`,
    SHOW_LOG,
  );
  if (picked === SHOW_LOG) log.show();
}

function extraOf(withEngine: boolean): Extra {
  if (!withEngine) return "none";
  return hasGpu() ? "torch" : "engine";
}
