import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    testTimeout: 60_000, // tests share the machine
    include: ["test/**/*.test.ts"],
    alias: { vscode: new URL("./test/vscode.ts", import.meta.url).pathname },
  },
});
