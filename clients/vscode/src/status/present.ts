/** What the status bar says. Pure. */

import type { GateState } from "../ghost/gate";
import type { SessionState } from "../server/session";

/** `midfill/status` of the server. */
export interface ServerStatus {
  readonly state: "starting" | "ready" | "thinking" | "error" | "off";
  readonly reason: string | null;
  /** Which error it was, such as `AccessDenied`; absent in older servers. */
  readonly cause?: string | null;
  /** Percent of the model that is there while it comes; absent in older servers. */
  readonly progress?: number | null;
}

export interface Shown {
  readonly text: string;
  readonly tooltip: string;
  readonly severity: "none" | "warning" | "error";
}

export interface Everything {
  readonly session: SessionState;
  readonly server: ServerStatus | undefined;
  readonly gate: GateState;
  /** The language of the active document, if it gets no suggestions. */
  readonly disabledLanguage: string | undefined;
}

const CLICK = "Click for actions.";

export function present(all: Everything): Shown {
  const { session, server, gate } = all;
  if (session.kind === "missing") {
    return shown("$(error)", "not installed", session.missing.reason, "error");
  }
  if (session.kind === "failed") return shown("$(error)", "stopped", session.reason, "error");
  if (session.kind === "stopped") return shown("$(circle-slash)", "stopped", "Not running.");
  if (session.kind === "starting" || !server) {
    return shown("$(loading~spin)", "starting", "The language server starts.");
  }
  if (server.state === "error") return failure(server);
  if (server.state === "starting") {
    const { progress } = server;
    const word = typeof progress === "number" ? `loading model ${progress} %` : "loading";
    return shown("$(loading~spin)", word, sentence(server.reason ?? "The engine starts."));
  }
  if (gate.kind === "paused") {
    return shown("$(circle-slash)", "paused", "Paused in this window; suggestions come on command.");
  }
  if (gate.kind === "snoozed") {
    const until = gate.until.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    return shown("$(bell-slash)", `until ${until}`, `Snoozed until ${until}.`);
  }
  if (server.state === "off") {
    return shown("$(circle-slash)", "off", sentence(server.reason ?? "Switched off."));
  }
  if (all.disabledLanguage !== undefined) {
    return shown("$(circle-slash)", "off", `Switched off for ${all.disabledLanguage}.`);
  }
  if (server.state === "thinking") return shown("$(loading~spin)", "", "Thinking.");
  return shown("$(sparkle)", "", "Ready.");
}

/** Returns why the language server does not answer, and what to do about it. */
export function whyNotRunning(session: SessionState): string {
  switch (session.kind) {
    case "missing":
      return `The language server was not found. ${session.missing.reason}`;
    case "failed":
      return `The language server stopped. ${session.reason}`;
    case "starting":
      return "The language server still starts; ask again in a moment.";
    case "stopped":
    case "running":
      return "The language server is not running; restart it from the status bar.";
  }
}

function failure(server: ServerStatus): Shown {
  const reason = sentence(server.reason ?? "It failed.");
  switch (server.cause) {
    case "AccessDenied":
      return shown("$(key)", "signed out", reason, "warning");
    case "Overloaded":
      return shown("$(watch)", "rate-limited", reason, "warning");
    case "ModelLoading":
      return shown("$(loading~spin)", "loading", reason);
    default:
      return shown("$(warning)", "error", reason, "error");
  }
}

function shown(icon: string, word: string, reason: string, severity: Shown["severity"] = "none"): Shown {
  const text = word === "" ? `${icon} Midfill` : `${icon} Midfill: ${word}`;
  return { text, tooltip: `Midfill: ${reason} ${CLICK}`, severity };
}

function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
