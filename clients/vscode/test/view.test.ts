import { beforeEach, expect, test } from "vitest";

import { ChatView, VIEW, type ViewParts } from "../src/chat/view";
import type { FromPage, ToPage } from "../src/chat/wire";
import { Preview } from "../src/preview/preview";
import { TextDocument } from "./document";
import { commands, documents, EventEmitter, Range, Uri, user, viewProviders, window, written } from "./vscode";

const URI = new Uri("file", "/a.py");
const PLACE = { uri: URI.toString(), before: "is no more\n", newText: "new\n", range: new Range(0, 0, 1, 0) };

/** The chat's view over a page of the test; the second block of its answer has a place that is gone. */
class Bench {
  readonly preview = new Preview();
  readonly posted: ToPage[] = [];
  private say: (message: FromPage) => Promise<void> = () => Promise.resolve();

  constructor() {
    const turn = { id: 1, blocks: [{ startLine: 20, place: PLACE }] };
    const attachments = { onDidChange: new EventEmitter().event };
    const parts = { extension: new Uri("file", "/extension"), chat: { find: () => turn }, attachments };
    new ChatView({ ...parts, preview: this.preview } as unknown as ViewParts);
    const webview = {
      cspSource: "",
      asWebviewUri: (uri: Uri) => uri,
      onDidReceiveMessage: (listener: typeof this.say) => (this.say = listener),
      postMessage: (message: ToPage) => this.posted.push(message),
    };
    viewProviders.get(VIEW)?.resolveWebviewView({ webview, onDidDispose: () => undefined });
  }

  /** Inserts a block at the cursor. */
  insert(text: string): Promise<void> {
    return this.say({ kind: "block", action: "insert", turn: 1, block: 0, startLine: 10, language: "", text });
  }

  run(command: string): Promise<void> {
    return this.say({ kind: "run", command } as FromPage);
  }

  /** Applies a block; what is shown then is in front, as VS Code has it. */
  async apply(block: number, text: string): Promise<void> {
    const startLine = 10 * (block + 1);
    await this.say({ kind: "block", action: "apply", turn: 1, block, startLine, language: "python", text });
    const input = window.tabGroups.all[0]?.tabs.at(-1)?.input;
    if (input && "modified" in input) window.activeTextEditor = { document: { uri: input.modified } };
  }
}

beforeEach(async () => {
  await commands.executeCommand("midfill.preview.reject");
  const document = new TextDocument(URI, "def f():\n    old()\n");
  documents.set(URI.toString(), document);
  window.activeTextEditor = { document, selection: new Range(1, 0, 2, 0) };
  user.told.length = 0;
  written.length = 0;
});

test("a block that is applied while another is looked at takes its place", async () => {
  // It was told to open a file; the page had its buttons all the same, and they wrote the other one.
  const bench = new Bench();
  await bench.apply(0, "first()\n");
  await bench.apply(2, "second()\n");
  expect(user.told).toEqual([]);
  expect(bench.posted).toEqual([
    { kind: "preview", turn: 1, block: 0 },
    { kind: "preview", turn: null, block: 0 },
    { kind: "preview", turn: 1, block: 2 },
  ]);
  await commands.executeCommand("midfill.preview.accept");
  expect(written).toEqual(["    second()\n"]);
});

test("a block that cannot be applied does not get the buttons of the one that is looked at", async () => {
  const bench = new Bench();
  await bench.apply(0, "first()\n");
  await bench.apply(1, "second()\n");
  expect(user.told).toHaveLength(1);
  expect(bench.posted).toEqual([{ kind: "preview", turn: 1, block: 0 }]);
});

test("without a file in front a block is not applied, and it is told why", async () => {
  const bench = new Bench();
  window.activeTextEditor = undefined;
  await bench.apply(0, "first()\n");
  expect(user.told).toEqual(["Midfill: open the file that the code shall go to first."]);
  expect(bench.posted).toEqual([]);
});

test("a block whose file is gone is not applied, and it is told why", async () => {
  // Nothing was told: the error was nobody's.
  documents.delete(URI.toString());
  const bench = new Bench();
  await bench.apply(1, "second()\n");
  expect(user.told).toEqual([
    "Midfill: the file that this was written for is gone. Ask again, or insert it at the cursor.",
  ]);
});

test("a block is inserted at every cursor", async () => {
  // The first alone got it.
  const document = new TextDocument(URI, "a\nb\n");
  const inserted: unknown[] = [];
  const edit = (write: (edit: unknown) => void) => {
    write({ replace: (range: Range, text: string) => inserted.push([range.start.line, text]) });
    document.version += 1;
    return Promise.resolve(true);
  };
  const selections = [new Range(0, 0, 0, 0), new Range(1, 0, 1, 0)];
  window.activeTextEditor = { document, selection: selections[0], selections, edit };
  await new Bench().insert("new\n");
  expect(inserted).toEqual([
    [0, "new"],
    [1, "new"],
  ]);
  expect(user.told).toEqual([]);
});

test.each([
  // VS Code says that it did, all the same: nothing was told.
  ["since the document is read-only", true, "is what is in front read-only?"],
  ["since the document has changed", false, "what is in front has changed meanwhile; try again."],
])("a block that VS Code does not insert, %s, is told", async (_, isTaken, why) => {
  const document = new TextDocument(new Uri("output", "/log"), "a\n");
  const selection = new Range(0, 0, 0, 0);
  window.activeTextEditor = { document, selection, selections: [selection], edit: () => Promise.resolve(isTaken) };
  await new Bench().insert("new\n");
  expect(user.told).toEqual([`Midfill: VS Code did not insert it; ${why}`]);
});

test("what fails behind a button is told", async () => {
  const fails = commands.registerCommand("midfill.showLog", () => Promise.reject(new Error("it failed")));
  await new Bench().run("midfill.showLog");
  fails.dispose();
  expect(user.told).toEqual(["Midfill: it failed"]);
});
