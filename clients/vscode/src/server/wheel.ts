/** The wheel of this very version: its name and SHA-256, written when the extension was packaged. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import * as path from "node:path";
import { pipeline } from "node:stream/promises";

/** File names of wheels with their SHA-256; a version may have one for each platform. */
export type Wheels = Readonly<Record<string, string>>;

/** Returns the wheels that were written in; empty in an extension that was packaged without. */
export async function readWheels(extensionFolder: string): Promise<Wheels> {
  try {
    const file = path.join(extensionFolder, "dist", "wheels.json");
    return JSON.parse(await readFile(file, "utf8")) as Wheels;
  } catch {
    return {};
  }
}

/** Returns what is wrong with a wheel that was fetched, undefined if it is the one meant. */
export async function wrongWheel(file: string, wheels: Wheels): Promise<string | undefined> {
  const name = path.basename(file);
  const expected = wheels[name];
  if (expected === undefined) {
    return `${name} is none of this extension's: ${Object.keys(wheels).join(", ")}`;
  }
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  const actual = hash.digest("hex");
  return actual === expected ? undefined : `${name} has SHA-256 ${actual}, expected ${expected}`;
}
