// Makes the .vsix: `npm run package -- [--out FILE] [WHEEL...]`. The SHA-256 of each wheel is
// written into it; without any, the extension does not offer to install its server.
import { createVSIX } from "@vscode/vsce";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { parseArgs } from "node:util";

const MAX_BYTES = 1_000_000;

const { values, positionals: wheels } = parseArgs({
  options: { out: { type: "string" } },
  allowPositionals: true,
});
const { version } = JSON.parse(readFileSync("package.json", "utf8"));
const out = path.resolve(values.out ?? `dist/midfill-${version}.vsix`);
const checksums = {};
for (const wheel of wheels) {
  const name = path.basename(wheel);
  if (!name.startsWith(`midfill-${version}-`)) throw new Error(`${name} is not of version ${version}`);
  checksums[name] = createHash("sha256").update(readFileSync(wheel)).digest("hex");
}
execFileSync(process.execPath, ["scripts/build.mjs"], { stdio: "inherit" });
writeFileSync("dist/wheels.json", `${JSON.stringify(checksums, null, 2)}\n`);
copyFileSync("../../LICENSE", "LICENSE");
await createVSIX({ packagePath: out, dependencies: false, allowMissingRepository: true });
const { size } = statSync(out);
if (size >= MAX_BYTES) throw new Error(`${out} has ${size} bytes; the limit is ${MAX_BYTES}`);
console.log(`${path.relative(process.cwd(), out)}: ${Math.round(size / 1000)} kB, ${wheels.length} checksums of wheels`);
