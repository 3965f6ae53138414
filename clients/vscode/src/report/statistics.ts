/** The numbers of `midfill.status` as a page of Markdown. Pure. */

export interface StatusReport {
  readonly state: string;
  readonly reason: string | null;
  readonly backend: string;
  readonly model: string | null;
  readonly metrics: {
    readonly outcomes: Readonly<Record<string, number>>;
    readonly events: Readonly<Record<string, number>>;
    readonly firstTextMs: Readonly<Record<string, number>> | null;
    readonly totalMs: Readonly<Record<string, number>> | null;
  };
}

/** Returns the page. */
export function statisticsPage(report: StatusReport): string {
  const { events, outcomes, firstTextMs, totalMs } = report.metrics;
  const shown = events["shown"] ?? 0;
  const accepted = events["accepted"] ?? 0;
  const rate = shown > 0 ? ` (${Math.round((100 * accepted) / shown)} %)` : "";
  const model = report.model === null ? "" : `, model ${report.model}`;
  const reason = report.reason === null ? "" : `: ${report.reason}`;
  return [
    "# Midfill in this window",
    "",
    `Answered by ${report.backend}${model}; ${report.state}${reason}.`,
    "",
    "| suggestions | |",
    "| --- | --- |",
    `| shown | ${shown} |`,
    `| accepted | ${accepted}${rate} |`,
    `| partly accepted | ${events["partly_accepted"] ?? 0} |`,
    "",
    "| requests ended | |",
    "| --- | --- |",
    ...Object.entries(outcomes).map(([outcome, count]) => `| ${outcome} | ${count} |`),
    "",
    "| milliseconds | median | 95th percentile |",
    "| --- | --- | --- |",
    latencies("to the first text", firstTextMs),
    latencies("to the whole suggestion", totalMs),
    "",
    "Counted since the language server of this window started, suggestions only while " +
      "`midfill.statistics.enabled` holds. Nothing of it leaves this machine.",
    "",
  ].join("\n");
}

function latencies(name: string, values: Readonly<Record<string, number>> | null): string {
  return `| ${name} | ${values?.["p50"] ?? "–"} | ${values?.["p95"] ?? "–"} |`;
}
