/** Reads the settings and the surroundings that decide which server is started, and how. */

import { accessSync, constants, statSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as vscode from "vscode";

import { findServer, type Found, type Missing } from "./find";
import { serverArguments, serverEnvironment, type LaunchSettings } from "./launch";
import type { Launch } from "./session";
import { readWheels } from "./wheel";

/** What of the Python extension's interface is used. */
interface PythonExtension {
  readonly environments: {
    getActiveEnvironmentPath(): { readonly path: string };
    resolveEnvironment(
      environment: { readonly path: string },
    ): Promise<{ readonly executable: { readonly uri?: vscode.Uri } } | undefined>;
  };
}

/** Settings at whose change the server is started anew. */
const DECISIVE = ["server", "backend.url", "engine.url"];

export class Surveyor {
  constructor(private readonly context: vscode.ExtensionContext) {}

  get version(): string {
    return (this.context.extension.packageJSON as { version: string }).version;
  }

  get extensionFolder(): string {
    return this.context.extensionPath;
  }

  get storage(): string {
    return this.context.globalStorageUri.fsPath;
  }

  /** The folder of the private environment of this very version. */
  get privateEnvironment(): string {
    return path.join(this.storage, `environment-${this.version}`);
  }

  isAffected(event: vscode.ConfigurationChangeEvent): boolean {
    return DECISIVE.some((name) => event.affectsConfiguration(`midfill.${name}`));
  }

  async find(): Promise<Found | Missing> {
    const server = vscode.workspace.getConfiguration("midfill.server");
    return findServer({
      serverPath: textOf(server, "path"),
      python: textOf(server, "python"),
      activePython: vscode.workspace.isTrusted ? await activePython() : undefined,
      privateEnvironment: this.privateEnvironment,
      home: os.homedir(),
      pathVariable: process.env["PATH"] ?? "",
      isWindows: process.platform === "win32",
      hasWheels: Object.keys(await readWheels(this.extensionFolder)).length > 0,
      isProgram,
    });
  }

  launch(): Launch {
    const settings = this.launchSettings();
    return {
      args: serverArguments(settings),
      env: serverEnvironment(process.env, settings),
      cwd: this.storage,
    };
  }

  private launchSettings(): LaunchSettings {
    const backend = vscode.workspace.getConfiguration("midfill.backend");
    const engine = vscode.workspace.getConfiguration("midfill.engine");
    const names = ["url", "apiKeyFile", "model", "device", "command"];
    return {
      backendKind: backend.get<string>("kind", "engine"),
      backendUrl: textOf(backend, "url"),
      engineUrl: textOf(engine, "url"),
      engineSet: names.some((name) => engine.inspect(name)?.globalValue !== undefined),
    };
  }
}

/** Returns a setting's text, null where it is not set or blank. */
export function textOf(group: vscode.WorkspaceConfiguration, name: string): string | null {
  const value = group.get<string | null>(name)?.trim();
  return value === undefined || value === "" ? null : value;
}

async function activePython(): Promise<string | undefined> {
  const extension = vscode.extensions.getExtension<PythonExtension>("ms-python.python");
  if (!extension) return undefined;
  try {
    const { environments } = extension.isActive ? extension.exports : await extension.activate();
    const resolved = await environments.resolveEnvironment(environments.getActiveEnvironmentPath());
    return resolved?.executable.uri?.fsPath;
  } catch {
    return undefined; // another extension's trouble is not ours
  }
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
