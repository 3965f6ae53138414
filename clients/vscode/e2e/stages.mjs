// Where the time from key to drawn text went, from what a key met on its way. Pure.

/** Returns the 50th and 95th percentile in ms. */
export function quantiles(values) {
  const ranked = [...values].sort((one, other) => one - other);
  const at = (share) => ranked[Math.min(ranked.length - 1, Math.floor(ranked.length * share))];
  return ranked.length === 0 ? null : { p50: round(at(0.5)), p95: round(at(0.95)) };
}

/**
 * Returns each stage's percentiles: from the key to the extension's question (`toServer`); from
 * there to the first text (`server`, its own figure, and `wire`, what the way there and back took);
 * how long the text waited for VS Code to ask (`waited`); from then to the answer (`answer`); to
 * the drawn text (`drawn`); and all of it (`keyToText`). `extension` is what it spends itself: from
 * VS Code's question to its own, the wire, and the answer.
 */
export function stages(keys) {
  const rows = keys.map(stagesOf).filter((row) => row !== null);
  const names = Object.keys(rows[0] ?? {});
  return Object.fromEntries(names.map((name) => [`${name}Ms`, quantiles(rows.map((row) => row[name]))]));
}

function stagesOf({ keyAtMs, drawnAtMs, marks, server }) {
  const at = (step) => marks.find((mark) => mark.step === step)?.atMs;
  const isEarly = marks.find((mark) => mark.step === "sent")?.isEarly;
  const [sent, asked, text, answered] = ["sent", "asked", "text", "answered"].map(at);
  const first = server?.timingsMs.first_text ?? server?.timingsMs.total; // known already: no stream
  if ([sent, asked, answered, first].includes(undefined)) return null;
  const there = text ?? answered; // a suggestion that came whole
  const met = Math.max(asked, there);
  const wire = there - sent - first;
  return {
    keyToText: drawnAtMs - keyAtMs,
    extension: (isEarly ? 0 : sent - asked) + wire + answered - met,
    toServer: sent - keyAtMs,
    server: first,
    wire,
    waited: Math.max(0, asked - there),
    answer: answered - met,
    drawn: drawnAtMs - answered,
  };
}

/**
 * Returns what stands between key and text beside the server (`added`), and beside the longer of
 * server and VS Code, which work at the same time (`addedOver`): all p50 of differences.
 */
export function added(keys, vscode) {
  const own = quantiles(vscode).p50;
  const rows = keys.flatMap((key) => {
    const row = stagesOf(key);
    return row === null ? [] : [{ beside: row.keyToText - row.server, over: row.keyToText - own - row.server }];
  });
  return {
    besideServerMs: quantiles(rows.map((row) => row.beside)),
    besideServerAndVscodeMs: quantiles(rows.map((row) => row.over)),
  };
}

function round(ms) {
  return Number(ms.toFixed(1));
}
