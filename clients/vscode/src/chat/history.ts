/**
 * Conversations kept over reloads, in the workspace's state, which VS Code keeps on this machine.
 * What is read there is checked: another version may have written it.
 */

import { Conversation, type Block, type Place, type Point, type Span, type Turn } from "./turns";

/** As VS Code's `Memento`. */
export interface Memory {
  get(key: string): unknown;
  update(key: string, value: unknown): PromiseLike<void>;
}

export interface Earlier {
  /** When it was left, as milliseconds since 1970. */
  readonly at: number;
  readonly turns: readonly Turn[];
}

const CURRENT = "chat.current";
const EARLIER = "chat.earlier";
const NUM_EARLIER = 20;
const MAX_TURNS = 100;

export class History {
  constructor(private readonly memory: Memory) {}

  /** Returns the conversation that was the current one. */
  load(): Conversation {
    return Conversation.of(turnsOf(this.memory.get(CURRENT)));
  }

  async save(conversation: Conversation): Promise<void> {
    await this.memory.update(CURRENT, conversation.turns.slice(-MAX_TURNS));
  }

  /** Returns those before it, the latest first. */
  earlier(): Earlier[] {
    const kept = this.memory.get(EARLIER);
    if (!Array.isArray(kept)) return [];
    return kept.flatMap((entry: unknown) => {
      const { at, turns } = fieldsOf(entry);
      const read = turnsOf(turns);
      return typeof at === "number" && read.length > 0 ? [{ at, turns: read }] : [];
    });
  }

  /** Puts a conversation away. */
  async putAway(conversation: Conversation, now: number): Promise<void> {
    if (conversation.turns.length === 0) return;
    const entry = { at: now, turns: conversation.turns.slice(-MAX_TURNS) };
    await this.memory.update(EARLIER, [entry, ...this.earlier()].slice(0, NUM_EARLIER));
  }

  /** Returns an earlier conversation, which is then no longer among them. */
  async takeOut(at: number): Promise<Conversation | undefined> {
    const all = this.earlier();
    const found = all.find((entry) => entry.at === at);
    if (!found) return undefined;
    await this.memory.update(EARLIER, all.filter((entry) => entry !== found));
    return Conversation.of(found.turns);
  }

  async forgetAll(): Promise<void> {
    await this.memory.update(EARLIER, undefined);
    await this.memory.update(CURRENT, undefined);
  }
}

const STATES: readonly unknown[] = ["running", "done", "stopped", "failed"];

function turnsOf(value: unknown): Turn[] {
  if (!Array.isArray(value)) return [];
  const turns = value.map(turnOf);
  return turns.every((turn) => turn !== undefined) ? turns : [];
}

function turnOf(value: unknown): Turn | undefined {
  const { id, question, about, answer, state, error, notes, blocks } = fieldsOf(value);
  const isWhole =
    typeof id === "number" &&
    typeof question === "string" &&
    typeof answer === "string" &&
    (error === null || typeof error === "string") &&
    STATES.includes(state) &&
    isTexts(about) &&
    isTexts(notes) &&
    Array.isArray(blocks);
  if (!isWhole) return undefined;
  const read = { id, question, about, answer, error, notes, blocks: blocks.map(blockOf) };
  return { ...read, state: state as Turn["state"] };
}

function blockOf(value: unknown): Block {
  const { startLine, place } = fieldsOf(value);
  return { startLine: typeof startLine === "number" ? startLine : -1, place: placeOf(place) };
}

function placeOf(value: unknown): Place | null {
  const { uri, range, before, newText } = fieldsOf(value);
  const span = spanOf(range);
  const isWhole = typeof uri === "string" && typeof before === "string" && typeof newText === "string";
  return isWhole && span ? { uri, range: span, before, newText } : null;
}

/** Returns a range off the wire or out of the memory, undefined if it is none. */
export function spanOf(value: unknown): Span | undefined {
  const fields = fieldsOf(value);
  const start = pointOf(fields["start"]);
  const end = pointOf(fields["end"]);
  return start && end ? { start, end } : undefined;
}

function pointOf(value: unknown): Point | undefined {
  const { line, character } = fieldsOf(value);
  return typeof line === "number" && typeof character === "number" ? { line, character } : undefined;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}

export function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
