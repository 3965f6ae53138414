import { createHash } from "node:crypto";
import { chmod, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { expect, test } from "vitest";

import { Cancelled, EnvironmentError, makeEnvironment, type Making, type Patience } from "../src/server/environment";

const WHEEL = "midfill-0.1.0-py3-none-any.whl";

/** A Python that notes what it is asked for; its pip hangs while it installs, the first time. */
const PYTHON = `#!/bin/sh
here=$MIDFILL_TEST_FOLDER
case "$*" in
  *"-m venv"*) mkdir -p "$3/bin" && cp "$here/python" "$3/bin/python" && echo venv >> "$here/calls" ;;
  *"install --quiet pip"*) ;;
  *" download "*) while [ "$1" != --dest ]; do shift; done
    echo fetch >> "$here/calls"; printf wheel > "$2/${WHEEL}" ;;
  *"--progress-bar raw"*) echo install >> "$here/calls"
    if [ -e "$here/once" ]; then exit; fi
    touch "$here/once" # before the progress, for which it is ended at once
    echo "Progress 10000000 of 20000000"
    exec sleep 600 ;;
esac
`;

class Impatience implements Patience {
  isCancellationRequested = false;
  private readonly listeners: (() => unknown)[] = [];

  readonly onCancellationRequested = (listener: () => unknown) => {
    this.listeners.push(listener);
    return { dispose: () => undefined };
  };

  end(): void {
    this.isCancellationRequested = true;
    for (const listener of this.listeners) listener();
  }
}

async function making(more: Partial<Making> = {}): Promise<{ making: Making; calls: () => Promise<string[]> }> {
  const folder = await mkdtemp(path.join(tmpdir(), "midfill-"));
  await writeFile(path.join(folder, "python"), PYTHON);
  await chmod(path.join(folder, "python"), 0o755);
  process.env["MIDFILL_TEST_FOLDER"] = folder;
  return {
    making: {
      folder: path.join(folder, "environment"),
      wheel: { place: null, version: "0.1.0" },
      wheels: { [WHEEL]: createHash("sha256").update("wheel").digest("hex") },
      extra: "engine",
      pipArguments: [],
      pythons: ["/gone/python", path.join(folder, "python")],
      log: () => undefined,
      tell: () => undefined,
      token: new Impatience(),
      ...more,
    },
    calls: async () => (await readFile(path.join(folder, "calls"), "utf8")).trim().split("\n"),
  };
}

test.skipIf(process.platform === "win32")("cancelled while it installs, it goes on the next time", async () => {
  const patience = new Impatience();
  const told: string[] = [];
  const tell = (message: string) => {
    told.push(message);
    if (message === "10 of 20 MB") patience.end();
  };
  const first = await making({ tell, token: patience });
  await expect(makeEnvironment(first.making)).rejects.toBeInstanceOf(Cancelled);
  expect(told).toEqual(["preparing", "fetching the wheel", "installing", "10 of 20 MB"]);
  await makeEnvironment({ ...first.making, tell: () => undefined, token: new Impatience() });
  expect(await first.calls()).toEqual(["venv", "fetch", "install", "fetch", "install"]);
});

test.skipIf(process.platform === "win32")("another wheel than the packaged one is not installed", async () => {
  const wheels = { [WHEEL]: "0".repeat(64) };
  const { making: wrong, calls } = await making({ wheels });
  await expect(makeEnvironment(wrong)).rejects.toThrow(/not installed: .* expected 0000/);
  expect(await calls()).toEqual(["venv", "fetch"]);
});

test("without Python the remedy is told", async () => {
  const { making: none } = await making({ pythons: ["/gone/python"] });
  await expect(makeEnvironment(none)).rejects.toBeInstanceOf(EnvironmentError);
  await expect(makeEnvironment(none)).rejects.toThrow("midfill.server.python");
});
