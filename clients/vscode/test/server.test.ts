import { createHash } from "node:crypto";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { expect, test } from "vitest";

import { CrashGuard } from "../src/server/crashes";
import { serverArguments, serverEnvironment, type LaunchSettings } from "../src/server/launch";
import { hasGpu } from "../src/server/gpu";
import { fetchArguments, installArguments, progressOf } from "../src/server/pip";
import { readWheels, wrongWheel } from "../src/server/wheel";

const PLAIN: LaunchSettings = {
  backendKind: "engine",
  backendUrl: null,
  engineUrl: null,
  engineSet: false,
};

test("five crashes in three minutes are too many, and pauses grow until then", () => {
  let now = 0;
  const guard = new CrashGuard(() => now);
  const pauses = [1, 2, 3, 4, 5].map(() => {
    now += 10_000;
    return guard.crashed();
  });
  expect(pauses).toEqual([250, 500, 1000, 2000, undefined]);
});

test("crashes long ago do not count, nor those before the user started it again", () => {
  let now = 0;
  const guard = new CrashGuard(() => now);
  for (let i = 0; i < 20; i++) {
    now += 100_000;
    expect(guard.crashed()).toBeDefined();
  }
  for (let i = 0; i < 4; i++) guard.crashed();
  guard.forget();
  expect(guard.crashed()).toBe(250);
});

test("the engine is started early only where no setting concerns it", () => {
  expect(serverArguments(PLAIN)).toEqual(["lsp", "--stdio"]);
  expect(serverArguments({ ...PLAIN, engineSet: true })).toContain("--no-early-start");
  expect(serverArguments({ ...PLAIN, backendKind: "ollama" })).toContain("--no-early-start");
});

test("hosts that the user names may get tokens", () => {
  const settings = { ...PLAIN, backendUrl: "https://mine.example.com/v1", engineUrl: "not a url" };
  expect(serverEnvironment({}, settings)["MIDFILL_TOKEN_HOSTS"]).toBe("mine.example.com");
  const base = { MIDFILL_TOKEN_HOSTS: "a.example.com,mine.example.com" };
  expect(serverEnvironment(base, settings)["MIDFILL_TOKEN_HOSTS"]).toBe("a.example.com,mine.example.com");
  expect(serverEnvironment({ PATH: "/bin" }, PLAIN)).not.toHaveProperty("MIDFILL_TOKEN_HOSTS");
});

test.each([
  [null, ["midfill==0.1.0"]],
  ["/wheels/midfill-0.1.0-py3-none-any.whl", ["/wheels/midfill-0.1.0-py3-none-any.whl"]],
  ["https://example.com/wheels", ["--no-index", "--find-links", "https://example.com/wheels", "midfill==0.1.0"]],
])("where the wheel is: %s", (place, end) => {
  const words = fetchArguments({ place, version: "0.1.0" }, "/to", []);
  expect(words.slice(words.indexOf("/to") + 1)).toEqual(end);
});

test("the engine comes along where it is wanted", () => {
  expect(installArguments("/w.whl", "engine", ["-q"])).toEqual(["install", "--progress-bar", "raw", "-q", "/w.whl[engine]"]);
  expect(installArguments("/w.whl", "none", [])).toContain("/w.whl");
  expect(installArguments("/w.whl", "torch", [])).toContain("/w.whl[torch]");
});

test.each([
  ["Progress 50000000 of 200000000", "50 of 200 MB"],
  ["Progress 5 of 100", undefined],
  ["Collecting torch>=2.6", "collecting torch"],
  ["  Downloading torch-2.13.0-cp311.whl (200 MB)", "downloading torch-2.13.0-cp311.whl"],
  ["Installing collected packages: torch, midfill", "unpacking"],
  ["Looking in indexes", undefined],
])("pip says %s", (line, told) => {
  expect(progressOf(line)).toBe(told);
});

test("a wheel is installed only if it is the one that was packaged with", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "midfill-"));
  const file = path.join(folder, "midfill-0.1.0-py3-none-any.whl");
  await writeFile(file, "wheel");
  const sha = createHash("sha256").update("wheel").digest("hex");
  expect(await wrongWheel(file, { [path.basename(file)]: sha })).toBeUndefined();
  expect(await wrongWheel(file, { [path.basename(file)]: "0".repeat(64) })).toContain(sha);
  expect(await wrongWheel(file, { "another.whl": sha })).toContain("none of this extension's");
  expect(await readWheels(folder)).toEqual({});
});

test("a GPU's driver brings torch along", () => {
  const has = (...files: string[]) => (file: string) => files.includes(file);
  expect(hasGpu("linux", has("/dev/nvidiactl"))).toBe(true);
  expect(hasGpu("linux", has("/usr/lib/wsl/lib/libcuda.so.1"))).toBe(true);
  expect(hasGpu("linux", has())).toBe(false);
  expect(hasGpu("darwin", has())).toBe(false);
  expect(hasGpu("win32", (file) => file.endsWith("\\System32\\nvcuda.dll"))).toBe(true);
  expect(hasGpu("win32", has())).toBe(false);
});
