/**
 * Tells when a suggestion passed which point of the extension, to whoever listens in the same
 * process: `npm run latency` and the tests in the extension host. Numbers and names, never text.
 * Where nobody listens, nothing is done.
 */

import { channel } from "node:diagnostics_channel";

import type { Place } from "./growth";

/**
 * asked: the editor asks; sent: the server is asked; text: its first text is there; answered: the
 * editor has its answer; dismissed: the user has sent it away while it grew.
 */
export type Step = "asked" | "sent" | "text" | "answered" | "dismissed";

const steps = channel("midfill.ghost");

/** Marks a step at a place, with what is particular to it. */
export function mark(step: Step, place: Place, facts: Readonly<Record<string, unknown>> = {}): void {
  if (!steps.hasSubscribers) return;
  steps.publish({ step, ...place, ...facts, atMs: performance.timeOrigin + performance.now() });
}
