import { expect, test } from "vitest";

import { explain, type Explanation } from "../src/report/explain";
import { statisticsPage } from "../src/report/statistics";
import { originOf } from "../src/secrets/tokens";
import { contributedNames, serverSettings, serverUrl } from "../src/settings";
import { present, type Everything } from "../src/status/present";

const READY: Everything = {
  session: { kind: "running" },
  server: { state: "ready", reason: null },
  gate: { kind: "open" },
  disabledLanguage: undefined,
};

test.each<[Partial<Everything>, RegExp, string]>([
  [{}, /sparkle.*Midfill$/, "Ready."],
  [{ server: { state: "thinking", reason: null } }, /spin.*Midfill$/, "Thinking."],
  [{ server: { state: "starting", reason: "Loading codellama" } }, /loading$/, "Loading codellama."],
  [
    { server: { state: "starting", reason: "the model is loading: 43 %", progress: 43 } },
    /loading model 43 %$/,
    "The model is loading: 43 %.",
  ],
  [{ server: { state: "starting", reason: null, progress: null } }, /loading$/, "The engine starts."],
  [{ server: { state: "error", reason: "no token", cause: "AccessDenied" } }, /key.*signed out/, "No token."],
  [{ server: { state: "error", reason: "busy", cause: "Overloaded" } }, /rate-limited/, "Busy."],
  [{ server: { state: "error", reason: null } }, /error$/, "It failed."],
  [{ server: { state: "off", reason: "completion.enabled is false" } }, /off$/, "Completion.enabled is false."],
  [{ gate: { kind: "paused" } }, /paused$/, "Paused in this window"],
  [{ gate: { kind: "snoozed", until: new Date(2026, 0, 1, 14, 5) } }, /until/, "Snoozed until"],
  [{ disabledLanguage: "markdown" }, /off$/, "Switched off for markdown."],
  [{ session: { kind: "failed", reason: "It ended." } }, /stopped$/, "It ended."],
  [{ session: { kind: "stopped" } }, /stopped$/, "Not running."],
  [{ session: { kind: "starting" } }, /starting$/, "The language server starts."],
  [
    { session: { kind: "missing", missing: { kind: "missing", reason: "Not found.", canInstall: true } } },
    /not installed$/,
    "Not found.",
  ],
])("the status bar for %o", (change, text, tooltip) => {
  const shown = present({ ...READY, ...change });
  expect(shown.text).toMatch(text);
  expect(shown.tooltip).toContain(tooltip);
});

const LAST: Explanation = {
  reason: { code: "empty.suffix", sentence: "The model repeated.", remedy: "take a larger one" },
  detail: "suffix",
  timingsMs: { total: 41.6 },
};

test.each<[Explanation | null, string]>([
  [null, "Nothing was asked yet in this window."],
  [LAST, "The model repeated. Remedy: Take a larger one. It took 42 ms."],
  [{ ...LAST, detail: "no connection", timingsMs: {} }, "repeated. No connection. Remedy"],
  // What was shown or cached has no remedy: the server says null, at which this threw.
  [
    { reason: { code: "shown", sentence: "It was shown.", remedy: null }, detail: null, timingsMs: { total: 41.6 } },
    "It was shown. It took 42 ms.",
  ],
])("why: %o", (last, told) => {
  expect(explain(last)).toContain(told);
});

test("statistics are a table, also before anything happened", () => {
  const report = { state: "ready", reason: null, backend: "engine", model: "starter" };
  const none = { outcomes: {}, events: {}, firstTextMs: null, totalMs: null };
  expect(statisticsPage({ ...report, metrics: none })).toContain("| shown | 0 |");
  const some = { ...none, events: { shown: 8, accepted: 2 }, firstTextMs: { p50: 30, p95: 90 } };
  const page = statisticsPage({ ...report, metrics: some });
  expect(page).toContain("| accepted | 2 (25 %) |");
  expect(page).toContain("| to the first text | 30 | 90 |");
});

test("the server gets what somebody set, and nothing of the extension's own", () => {
  const names = ["midfill.engine.model", "midfill.completion.mode", "midfill.server.path", "midfill.completion.candidates"];
  const set: Record<string, object> = {
    "engine.model": { globalValue: "big" },
    "completion.mode": { globalValue: "line", workspaceValue: "block" },
    "server.path": { globalValue: "/bin/midfill" },
    "completion.candidates": {},
  };
  expect(serverSettings(names, (name) => set[name])).toEqual({
    engine: { model: "big" },
    completion: { mode: "block" },
  });
});

test("names come from what package.json contributes", () => {
  const configuration = [{ properties: { "midfill.a.b": {} } }, { properties: { "midfill.c.d": {} } }];
  expect(contributedNames({ contributes: { configuration } })).toEqual(["midfill.a.b", "midfill.c.d"]);
});

test("tokens are kept for origins", () => {
  expect(originOf("https://example.com/models/{model}")).toBe("https://example.com");
  expect(originOf("file:///etc/passwd")).toBeUndefined();
  expect(originOf("nonsense")).toBeUndefined();
  expect(serverUrl("engine", null)).toBeUndefined();
  expect(serverUrl("openai", null)).toBe("https://api.openai.com/v1");
  expect(serverUrl("openai", "https://mine")).toBe("https://mine");
});
