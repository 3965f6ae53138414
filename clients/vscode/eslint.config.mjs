import js from "@eslint/js";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist/", "node_modules/", "e2e/output/", "vitest.config.mts"] },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "max-lines": ["error", { max: 250, skipBlankLines: true }],
      "max-lines-per-function": ["error", { max: 60, skipBlankLines: true }],
      "no-console": "error",
    },
  },
  {
    files: ["test/**", "e2e/**"],
    rules: { "max-lines-per-function": "off" },
  },
  {
    files: ["e2e/probe/*.cjs"],
    languageOptions: {
      sourceType: "commonjs",
      globals: Object.fromEntries(
        ["process", "require", "exports", "Buffer", "globalThis", "setTimeout", "AbortSignal"].map((name) => [name, "readonly"]),
      ),
    },
  },
  {
    files: ["**/*.mjs"],
    languageOptions: {
      // Of Node, and of the page that some functions run in.
      globals: Object.fromEntries(
        ["console", "process", "URL", "URLSearchParams", "Buffer", "setTimeout", "clearTimeout"]
          .concat(["document", "navigator", "window", "performance", "MutationObserver"])
          .map((name) => [name, "readonly"]),
      ),
    },
  },
);
