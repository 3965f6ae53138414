/**
 * The chat of this window: one conversation, one question at a time. Knows neither VS Code nor the
 * wire: who answers, and who keeps what was said, come from outside.
 */

import type { History } from "./history";
import { Conversation, type Answered, type Message, type Turn } from "./turns";

/** A question under way. */
export interface Asking {
  readonly answer: Promise<Answered>;
  readonly cancel: () => void;
}

export interface ChatParts<Thing> {
  /** Asks; `onText` gets the whole answer so far. A failure's message is a sentence for the user. */
  readonly ask: (messages: Message[], about: readonly Thing[], onText: (text: string) => void) => Asking;
  readonly labelOf: (thing: Thing) => string;
  readonly history: History;
  /** Called with each turn that is another one now. */
  readonly onTurn: (turn: Turn) => void;
  /** Called when the conversation is another one. */
  readonly onReset: () => void;
  readonly now: () => number;
}

export class Chat<Thing> {
  private conversation: Conversation;
  private running: { readonly id: number; readonly asking: Asking } | undefined;
  /** What went along with the last question. */
  private lastAbout: readonly Thing[] | undefined;

  constructor(private readonly parts: ChatParts<Thing>) {
    this.conversation = parts.history.load();
  }

  get turns(): readonly Turn[] {
    return this.conversation.turns;
  }

  get isRunning(): boolean {
    return this.running !== undefined;
  }

  find(id: number): Turn | undefined {
    return this.conversation.find(id);
  }

  /** Asks a question; one that is under way is stopped. Resolves when the answer has ended. */
  async ask(question: string, about: readonly Thing[]): Promise<void> {
    if (question.trim() === "") return;
    this.stop();
    this.lastAbout = about;
    this.conversation = this.conversation.ask(question, about.map(this.parts.labelOf));
    const turn = this.conversation.last;
    if (!turn) return;
    this.parts.onTurn(turn);
    const asking = this.parts.ask(this.conversation.messages(), about, (text) => {
      this.change(turn.id, this.conversation.grow(turn.id, text));
    });
    this.running = { id: turn.id, asking };
    const answered = await asking.answer.then(
      (answer) => () => this.conversation.finish(turn.id, answer),
      (error: unknown) => () => this.conversation.fail(turn.id, textOf(error)),
    );
    if (!this.isOf(asking)) return; // it was stopped
    this.running = undefined;
    this.change(turn.id, answered());
    await this.parts.history.save(this.conversation);
  }

  /**
   * Asks the last question once more, in place of its answer.
   *
   * @param about what goes along where it is not known any more what did, after a reload.
   */
  async again(about: readonly Thing[]): Promise<void> {
    const last = this.conversation.last;
    if (!last || this.running) return;
    const sent = this.lastAbout ?? about;
    this.conversation = this.conversation.withoutLast();
    this.parts.onReset();
    await this.ask(last.question, sent);
  }

  /** Stops the answer that is being written; what has come stays. */
  stop(): void {
    const running = this.running;
    if (!running) return;
    this.running = undefined;
    running.asking.cancel();
    this.change(running.id, this.conversation.stop(running.id));
    void this.parts.history.save(this.conversation);
  }

  /** Begins a new conversation; the one before is put away. */
  async begin(conversation = Conversation.empty): Promise<void> {
    this.stop();
    const before = this.conversation;
    this.conversation = conversation;
    this.lastAbout = undefined;
    this.parts.onReset();
    await this.parts.history.putAway(before, this.parts.now());
    await this.parts.history.save(this.conversation);
  }

  /** Goes on with an earlier conversation. */
  async goBackTo(at: number): Promise<void> {
    const found = await this.parts.history.takeOut(at);
    if (found) await this.begin(found);
  }

  /** Forgets this conversation and all earlier ones. */
  async forgetAll(): Promise<void> {
    this.stop();
    this.conversation = Conversation.empty;
    this.lastAbout = undefined;
    this.parts.onReset();
    await this.parts.history.forgetAll();
  }

  private isOf(asking: Asking): boolean {
    return this.running?.asking === asking;
  }

  private change(id: number, conversation: Conversation): void {
    this.conversation = conversation;
    const turn = conversation.find(id);
    if (turn) this.parts.onTurn(turn);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
