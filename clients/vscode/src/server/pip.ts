/** pip's arguments and its progress. Pure. */

export interface WheelPlace {
  /** `midfill.server.wheel`: a file, a folder, an address, or null for pip's package index. */
  readonly place: string | null;
  readonly version: string;
}

/** Returns pip's arguments that put the wheel into a folder. */
export function fetchArguments(wheel: WheelPlace, folder: string, extra: readonly string[]): string[] {
  const download = ["download", "--no-deps", "--only-binary", ":all:", "--dest", folder];
  const requirement = `midfill==${wheel.version}`;
  if (wheel.place === null) return [...download, ...extra, requirement];
  const isFile = wheel.place.endsWith(".whl");
  if (isFile) return [...download, wheel.place];
  return [...download, "--no-index", "--find-links", wheel.place, requirement];
}

/**
 * What is installed beside the language server: nothing; the engine, which needs no torch on a CPU;
 * or the engine with torch, some gigabytes, for a GPU.
 */
export type Extra = "none" | "engine" | "torch";

/** Returns pip's arguments that install the wheel with what it needs. */
export function installArguments(wheelFile: string, what: Extra, extra: readonly string[]): string[] {
  const requirement = what === "none" ? wheelFile : `${wheelFile}[${what}]`;
  return ["install", "--progress-bar", "raw", ...extra, requirement];
}

/** Returns what a line of pip's output tells the user, undefined for nothing. */
export function progressOf(line: string): string | undefined {
  const raw = /^Progress (\d+) of (\d+)$/.exec(line.trim());
  if (raw) {
    const [, done = "0", all = "0"] = raw;
    const megabytes = (bytes: string) => (Number(bytes) / 1e6).toFixed(0);
    return Number(all) > 5e6 ? `${megabytes(done)} of ${megabytes(all)} MB` : undefined;
  }
  const named = /^\s*(Downloading|Collecting|Installing collected packages)[: ]*([\w.-]*)/.exec(line);
  if (!named) return undefined;
  const [, what = "", name = ""] = named;
  return what === "Installing collected packages" ? "unpacking" : `${what.toLowerCase()} ${name}`;
}
