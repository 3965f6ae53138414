/**
 * Makes the private environment: a virtual environment in the extension's own storage with the
 * wheel of this version. Every step can be done again, so an attempt that was cancelled or broke
 * off goes on where it was.
 */

import { execFile, spawn } from "node:child_process";
import { mkdir, readdir, rm } from "node:fs/promises";
import * as path from "node:path";
import * as readline from "node:readline";
import { promisify } from "node:util";

import { privatePython } from "./find";
import { type Extra, fetchArguments, installArguments, progressOf, type WheelPlace } from "./pip";
import { wrongWheel, type Wheels } from "./wheel";

export interface Making {
  readonly folder: string;
  readonly wheel: WheelPlace;
  readonly wheels: Wheels;
  readonly extra: Extra;
  readonly pipArguments: readonly string[];
  readonly pythons: readonly string[];
  readonly log: (line: string) => void;
  readonly tell: (message: string) => void;
  readonly token: Patience;
}

/** The user's: VS Code's cancellation token. */
export interface Patience {
  readonly isCancellationRequested: boolean;
  readonly onCancellationRequested: (listener: () => unknown) => { dispose: () => unknown };
}

/** The user ended it. */
export class Cancelled extends Error {}

/** It cannot be made; the text says why and what to do. */
export class EnvironmentError extends Error {}

/** Makes the environment. Throws `Cancelled` or `EnvironmentError`. */
export async function makeEnvironment(making: Making): Promise<void> {
  const isWindows = process.platform === "win32";
  const python = privatePython(making.folder, isWindows);
  await mkdir(path.dirname(making.folder), { recursive: true });
  making.tell("preparing");
  if (!(await works(python, ["-m", "pip", "--version"]))) {
    await rm(making.folder, { recursive: true, force: true });
    const base = await findPython(making.pythons);
    await run(making, base, ["-m", "venv", making.folder]);
  }
  const pip = (words: string[]) => run(making, python, ["-m", "pip", "--disable-pip-version-check", ...words]);
  await pip(["install", "--quiet", "pip>=25.1"]); // older ones do not tell their progress
  const file = await fetchWheel(making, pip);
  making.tell("installing");
  await pip(installArguments(file, making.extra, making.pipArguments));
}

async function fetchWheel(
  making: Making,
  pip: (words: string[]) => Promise<void>,
): Promise<string> {
  const folder = path.join(making.folder, "wheel");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  making.tell("fetching the wheel");
  await pip(fetchArguments(making.wheel, folder, making.pipArguments));
  const names = (await readdir(folder)).filter((name) => name.endsWith(".whl"));
  const [name] = names;
  if (name === undefined || names.length !== 1) {
    throw new EnvironmentError(`expected one wheel, found ${names.length}: see midfill.server.wheel`);
  }
  const file = path.join(folder, name);
  const wrong = await wrongWheel(file, making.wheels);
  if (wrong !== undefined) {
    await rm(folder, { recursive: true, force: true });
    throw new EnvironmentError(`not installed: ${wrong}`);
  }
  return file;
}

async function findPython(pythons: readonly string[]): Promise<string> {
  const check = ["-c", "import sys, venv; sys.exit(sys.version_info < (3, 10))"];
  for (const python of pythons) {
    if (await works(python, check)) return python;
  }
  throw new EnvironmentError(
    "no Python 3.10 or later with venv was found: install one (Debian: apt install python3-venv), " +
      "or name it in midfill.server.python",
  );
}

async function works(program: string, words: string[]): Promise<boolean> {
  try {
    await promisify(execFile)(program, words, { timeout: 20_000, windowsHide: true });
    return true;
  } catch {
    return false;
  }
}

/** Runs a program, tells its progress, and ends it with the user's patience. */
function run(making: Making, program: string, words: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    if (making.token.isCancellationRequested) {
      reject(new Cancelled());
      return;
    }
    const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"], windowsHide: true });
    let last = "";
    const cancelled = making.token.onCancellationRequested(() => child.kill());
    const listen = (stream: NodeJS.ReadableStream) =>
      readline.createInterface({ input: stream }).on("line", (line) => {
        const progress = progressOf(line);
        if (progress !== undefined) making.tell(progress);
        if (line.startsWith("Progress ")) return;
        making.log(line);
        if (/error/i.test(line)) last = line;
      });
    listen(child.stdout);
    listen(child.stderr);
    child.on("error", reject);
    child.on("close", (code) => {
      cancelled.dispose();
      if (making.token.isCancellationRequested) reject(new Cancelled());
      else if (code === 0) resolve();
      else reject(new EnvironmentError(last === "" ? `${program} ended with ${code ?? "a signal"}` : last));
    });
  });
}
