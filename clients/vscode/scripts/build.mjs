// Bundles the extension and its web view into dist/. `--watch` goes on doing so, `--check` is for
// tests (source maps, not minified).
import * as esbuild from "esbuild";

const debug = process.argv.includes("--check") || process.argv.includes("--watch");
const common = { bundle: true, minify: !debug, sourcemap: debug ? "linked" : false, logLevel: "info", legalComments: "none" };
const bundles = [
  {
    ...common,
    entryPoints: { extension: "src/extension.ts" },
    outdir: "dist",
    platform: "node",
    format: "cjs",
    target: "node20",
    external: ["vscode"],
  },
  {
    ...common,
    entryPoints: { chat: "src/webview/main.ts" },
    outdir: "dist",
    platform: "browser",
    format: "iife",
    target: "chrome132",
  },
];

if (process.argv.includes("--watch")) {
  for (const bundle of bundles) await (await esbuild.context(bundle)).watch();
} else {
  await Promise.all(bundles.map((bundle) => esbuild.build(bundle)));
}
