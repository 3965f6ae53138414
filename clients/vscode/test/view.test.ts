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
