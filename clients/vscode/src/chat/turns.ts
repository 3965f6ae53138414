/** The conversation: questions and their answers, as they grow. Pure; values never change. */

/** Where a block of code goes, as the server told, and what stood there then. */
export interface Place {
  readonly uri: string;
  readonly range: Span;
  readonly before: string;
  readonly newText: string;
}

/** A range of a document, in UTF-16 units. */
export interface Span {
  readonly start: Point;
  readonly end: Point;
}

export interface Point {
  readonly line: number;
  readonly character: number;
}

/** A fenced block of an answer: the line of its first code in it, and its place if it has one. */
export interface Block {
  readonly startLine: number;
  readonly place: Place | null;
}

export type TurnState = "running" | "done" | "stopped" | "failed";

export interface Turn {
  readonly id: number;
  readonly question: string;
  /** Names of what went along. */
  readonly about: readonly string[];
  readonly answer: string;
  readonly state: TurnState;
  /** Why it failed, in a sentence. */
  readonly error: string | null;
  readonly notes: readonly string[];
  readonly blocks: readonly Block[];
}

export interface Message {
  readonly role: "user" | "assistant";
  readonly content: string;
}

/** What the server answers at the end. */
export interface Answered {
  readonly content: string;
  readonly notes: readonly string[];
  readonly blocks: readonly Block[];
}

export class Conversation {
  private constructor(readonly turns: readonly Turn[]) {}

  static readonly empty = new Conversation([]);

  /** Returns a conversation of turns that are over. */
  static of(turns: readonly Turn[]): Conversation {
    return new Conversation(turns.map((turn) => (turn.state === "running" ? stopped(turn) : turn)));
  }

  get last(): Turn | undefined {
    return this.turns.at(-1);
  }

  get isRunning(): boolean {
    return this.last?.state === "running";
  }

  find(id: number): Turn | undefined {
    return this.turns.find((turn) => turn.id === id);
  }

  /** Returns the conversation with one more question. */
  ask(question: string, about: readonly string[]): Conversation {
    const id = (this.last?.id ?? 0) + 1;
    const turn = { id, question, about, answer: "", error: null, notes: [], blocks: [] };
    return new Conversation([...this.turns, { ...turn, state: "running" }]);
  }

  /** Takes the whole text so far. */
  grow(id: number, answer: string): Conversation {
    return this.change(id, (turn) => ({ ...turn, answer }));
  }

  finish(id: number, { content, notes, blocks }: Answered): Conversation {
    return this.change(id, (turn) => ({ ...turn, answer: content, notes, blocks, state: "done" }));
  }

  fail(id: number, error: string): Conversation {
    return this.change(id, (turn) => ({ ...turn, error, state: "failed" }));
  }

  stop(id: number): Conversation {
    return this.change(id, stopped);
  }

  /** Returns it without its last turn. */
  withoutLast(): Conversation {
    return new Conversation(this.turns.slice(0, -1));
  }

  /** Returns what the server is sent: the turns that have an answer, and the last question. */
  messages(): Message[] {
    return this.turns.flatMap((turn): Message[] => {
      const question: Message = { role: "user", content: turn.question };
      if (turn === this.last) return [question];
      if (turn.answer === "") return [];
      return [question, { role: "assistant", content: turn.answer }];
    });
  }

  /** Changes a turn that still runs; whatever comes later for another is of no use any more. */
  private change(id: number, change: (turn: Turn) => Turn): Conversation {
    return new Conversation(
      this.turns.map((turn) => (turn.id === id && turn.state === "running" ? change(turn) : turn)),
    );
  }
}

function stopped(turn: Turn): Turn {
  return { ...turn, state: "stopped" };
}
