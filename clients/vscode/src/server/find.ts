/**
 * Where the language server is. Pure but for the probe that it is given.
 *
 * The order: `midfill.server.path`; the Python of `midfill.server.python`; the environment that
 * the Python extension has chosen; `midfill` on the path; the private environment that this
 * extension made. The first that is set must do: a wrong setting is told, not passed over.
 */

import * as path from "node:path";

export interface Surroundings {
  /** `midfill.server.path`. */
  readonly serverPath: string | null;
  /** `midfill.server.python`. */
  readonly python: string | null;
  /** The interpreter that the Python extension has chosen; none in untrusted workspaces. */
  readonly activePython: string | undefined;
  /** The folder of the private environment, whether it is there or not. */
  readonly privateEnvironment: string;
  readonly home: string;
  readonly pathVariable: string;
  readonly isWindows: boolean;
  /** Whether this build of the extension knows the wheels of its server. */
  readonly hasWheels: boolean;
  /** Whether a file is there that can be run. */
  readonly isProgram: (file: string) => boolean;
}

export type Origin = "setting" | "python setting" | "python extension" | "path" | "private";

export interface Found {
  readonly kind: "found";
  readonly program: string;
  readonly origin: Origin;
}

export interface Missing {
  readonly kind: "missing";
  /** One line for the user. */
  readonly reason: string;
  /** Making a private environment would help: no setting is wrong, and there are wheels for it. */
  readonly canInstall: boolean;
}

/** Returns the server's program, or why there is none. */
export function findServer(from: Surroundings): Found | Missing {
  if (from.serverPath !== null) {
    const program = expand(from.serverPath, from);
    if (!isAbsolute(program, from)) {
      return misconfigured("midfill.server.path", from.serverPath, "is not an absolute path");
    }
    if (from.isProgram(program)) return { kind: "found", program, origin: "setting" };
    return misconfigured("midfill.server.path", from.serverPath, "is no program");
  }
  if (from.python !== null) {
    const program = beside(expand(from.python, from), from);
    if (program !== undefined) return { kind: "found", program, origin: "python setting" };
    return misconfigured(
      "midfill.server.python",
      from.python,
      "has no midfill beside it (pip install midfill)",
    );
  }
  const active = from.activePython === undefined ? undefined : beside(from.activePython, from);
  if (active !== undefined) return { kind: "found", program: active, origin: "python extension" };
  for (const folder of from.pathVariable.split(from.isWindows ? ";" : ":")) {
    if (!isAbsolute(folder, from)) continue; // a relative one may lead into the workspace
    const program = inFolder(folder, from);
    if (program !== undefined) return { kind: "found", program, origin: "path" };
  }
  const own = beside(privatePython(from.privateEnvironment, from.isWindows), from);
  if (own !== undefined) return { kind: "found", program: own, origin: "private" };
  const reason = "The language server `midfill` was not found.";
  if (from.hasWheels) return { kind: "missing", reason, canInstall: true };
  const remedy = "This build of the extension cannot install it: set midfill.server.path.";
  return { kind: "missing", reason: `${reason} ${remedy}`, canInstall: false };
}

/** Returns where a virtual environment has its interpreter. */
export function privatePython(environment: string, isWindows: boolean): string {
  return isWindows
    ? path.win32.join(environment, "Scripts", "python.exe")
    : path.posix.join(environment, "bin", "python");
}

function misconfigured(setting: string, value: string, what: string): Missing {
  return { kind: "missing", reason: `${setting}: ${value} ${what}.`, canInstall: false };
}

function beside(python: string, from: Surroundings): string | undefined {
  const own = from.isWindows ? path.win32 : path.posix;
  const folder = own.dirname(python);
  if (!isAbsolute(folder, from)) return undefined;
  // On Windows a plain installation keeps programs in Scripts, beside the interpreter's folder.
  const scripts = from.isWindows ? inFolder(own.join(folder, "Scripts"), from) : undefined;
  return inFolder(folder, from) ?? scripts;
}

function inFolder(folder: string, from: Surroundings): string | undefined {
  const own = from.isWindows ? path.win32 : path.posix;
  const program = own.join(folder, from.isWindows ? "midfill.exe" : "midfill");
  return from.isProgram(program) ? program : undefined;
}

function expand(file: string, from: Surroundings): string {
  return file.replace(/^~(?=[/\\]|$)/, () => from.home);
}

function isAbsolute(file: string, from: Surroundings): boolean {
  return (from.isWindows ? path.win32 : path.posix).isAbsolute(file);
}
