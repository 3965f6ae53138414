import { expect, test } from "vitest";

import { Chat, type Asking } from "../src/chat/chat";
import { History, type Memory } from "../src/chat/history";
import { Conversation, type Answered, type Message, type Turn } from "../src/chat/turns";

class Notes implements Memory {
  private readonly kept = new Map<string, unknown>();

  get(key: string): unknown {
    return this.kept.get(key);
  }

  update(key: string, value: unknown): Promise<void> {
    // As VS Code does: what comes back is JSON.
    this.kept.set(key, value === undefined ? undefined : JSON.parse(JSON.stringify(value)));
    return Promise.resolve();
  }
}

/** A chat whose answers the test writes. */
class Bench {
  readonly notes = new Notes();
  readonly asked: { messages: Message[]; about: readonly string[] }[] = [];
  readonly told: Turn[] = [];
  numResets = 0;
  numCancelled = 0;
  private write: (text: string) => void = () => undefined;
  private settle: { give: (answer: Answered) => void; fail: (error: Error) => void } | undefined;
  readonly chat: Chat<string>;

  constructor(notes?: Notes) {
    if (notes) this.notes = notes;
    this.chat = new Chat<string>({
      ask: (messages, about, onText) => this.ask(messages, about, onText),
      labelOf: (name) => `<${name}>`,
      history: new History(this.notes),
      onTurn: (turn) => this.told.push(turn),
      onReset: () => (this.numResets += 1),
      now: () => 1000 + this.asked.length,
    });
  }

  private ask(messages: Message[], about: readonly string[], onText: (text: string) => void): Asking {
    this.asked.push({ messages, about });
    this.write = onText;
    const answer = new Promise<Answered>((give, fail) => (this.settle = { give, fail }));
    return { answer, cancel: () => (this.numCancelled += 1) };
  }

  grow(text: string): void {
    this.write(text);
  }

  finish(content: string): void {
    this.settle?.give({ content, notes: ["a secret was masked"], blocks: [] });
  }

  fail(message: string): void {
    this.settle?.fail(new Error(message));
  }

  async say(question: string, answer: string): Promise<void> {
    const over = this.chat.ask(question, []);
    this.finish(answer);
    await over;
  }
}

test("an answer grows, ends, and is part of the next question", async () => {
  const bench = new Bench();
  const over = bench.chat.ask("What is zip?", ["a.py"]);
  expect(bench.chat.isRunning).toBe(true);
  bench.grow("It");
  bench.grow("It pairs");
  bench.finish("It pairs.");
  await over;
  expect(bench.told.map((turn) => [turn.state, turn.answer])).toEqual([
    ["running", ""],
    ["running", "It"],
    ["running", "It pairs"],
    ["done", "It pairs."],
  ]);
  expect(bench.told.at(-1)).toMatchObject({ about: ["<a.py>"], notes: ["a secret was masked"] });
  void bench.chat.ask("Sure?", []);
  expect(bench.asked[1]?.messages).toEqual([
    { role: "user", content: "What is zip?" },
    { role: "assistant", content: "It pairs." },
    { role: "user", content: "Sure?" },
  ]);
});

test("a blank question is none", async () => {
  const bench = new Bench();
  await bench.chat.ask(" \n", []);
  expect(bench.asked).toEqual([]);
});

test("what was stopped keeps its text, and hears nothing more", async () => {
  const bench = new Bench();
  const over = bench.chat.ask("Why?", []);
  bench.grow("Beca");
  bench.chat.stop();
  bench.chat.stop();
  expect(bench.numCancelled).toBe(1);
  bench.grow("Because");
  bench.finish("Because.");
  await over;
  expect(bench.chat.turns).toMatchObject([{ state: "stopped", answer: "Beca" }]);
});

test("a second question stops the first", async () => {
  const bench = new Bench();
  const first = bench.chat.ask("One?", []);
  const failFirst = () => {
    bench.fail("cancelled");
  };
  const second = bench.chat.ask("Two?", []);
  failFirst(); // settles the second one's promise: the first one's is never settled
  await second;
  expect(bench.numCancelled).toBe(1);
  expect(bench.chat.turns.map((turn) => turn.state)).toEqual(["stopped", "failed"]);
  expect(await Promise.race([first, Promise.resolve("pending")])).toBe("pending");
});

test("a failure is told in its own words, can be asked again, and is no part of what is sent", async () => {
  const bench = new Bench();
  const over = bench.chat.ask("Hello?", ["a.py"]);
  bench.fail("starter cannot chat: it only completes code");
  await over;
  expect(bench.chat.turns).toMatchObject([
    { state: "failed", error: "starter cannot chat: it only completes code" },
  ]);
  const again = bench.chat.again(["elsewhere"]);
  expect(bench.asked[1]).toEqual({ messages: [{ role: "user", content: "Hello?" }], about: ["a.py"] });
  bench.finish("Hello.");
  await again;
  expect(bench.chat.turns).toMatchObject([{ state: "done", answer: "Hello." }]);
});

test("after a reload the conversation is there, and what was failing is asked with what is at hand", async () => {
  const bench = new Bench();
  await bench.say("One?", "Two.");
  const over = bench.chat.ask("Three?", ["a.py"]);
  bench.fail("busy");
  await over;
  const reloaded = new Bench(bench.notes);
  expect(reloaded.chat.turns).toEqual(bench.chat.turns);
  void reloaded.chat.again(["b.py"]);
  expect(reloaded.asked[0]).toMatchObject({ about: ["b.py"] });
  expect(reloaded.asked[0]?.messages.at(-1)?.content).toBe("Three?");
});

test("a new chat puts the old one away, and one can go back to it", async () => {
  const bench = new Bench();
  await bench.say("One?", "Two.");
  await bench.chat.begin();
  expect(bench.chat.turns).toEqual([]);
  await bench.say("Three?", "Four.");
  const history = new History(bench.notes);
  const [earlier] = history.earlier();
  expect(earlier?.turns[0]?.question).toBe("One?");
  await bench.chat.goBackTo(earlier?.at ?? 0);
  expect(bench.chat.turns.map((turn) => turn.question)).toEqual(["One?"]);
  expect(history.earlier().map((entry) => entry.turns[0]?.question)).toEqual(["Three?"]);
  await bench.chat.forgetAll();
  expect(history.earlier()).toEqual([]);
  expect(history.load().turns).toEqual([]);
});

test("an empty chat is not put away", async () => {
  const bench = new Bench();
  await bench.chat.begin();
  expect(new History(bench.notes).earlier()).toEqual([]);
});

test.each<[string, unknown]>([
  ["nothing", undefined],
  ["another shape", { turns: [] }],
  ["a turn without its answer", [{ id: 1, question: "x", about: [], state: "done", error: null, notes: [], blocks: [] }]],
  ["an unknown state", [{ ...turn(), state: "lost" }]],
])("what is kept may be %s, and is then no conversation", async (_, kept) => {
  const notes = new Notes();
  await notes.update("chat.current", kept);
  expect(new History(notes).load().turns).toEqual([]);
});

test("an answer that the window closed on has stopped, and a bad place is none", async () => {
  const notes = new Notes();
  const blocks = [{ startLine: 1, place: { uri: 5 } }];
  await notes.update("chat.current", [{ ...turn(), state: "running", blocks }]);
  expect(new History(notes).load().turns).toMatchObject([
    { state: "stopped", blocks: [{ startLine: 1, place: null }] },
  ]);
});

test("a conversation never changes what it was", () => {
  const one = Conversation.empty.ask("a", []);
  const two = one.grow(1, "b");
  expect(one.last?.answer).toBe("");
  expect(two.last?.answer).toBe("b");
  expect(two.grow(7, "c").turns).toEqual(two.turns);
});

function turn(): Turn {
  return { id: 1, question: "x", about: [], answer: "y", state: "done", error: null, notes: [], blocks: [] };
}
