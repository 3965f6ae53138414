import { beforeEach, expect, test, vi } from "vitest";

import contributed from "../package.json";
import { SCHEMES } from "../src/documents";
import { editSelection, type EditParts } from "../src/edit/edit";
import { Preview } from "../src/preview/preview";
import { TextDocument } from "./document";
import {
  commands,
  documents,
  documentsChanged,
  Range,
  readOnlySchemes,
  Uri,
  user,
  window,
  written,
  type CancellationTokenSource,
} from "./vscode";

vi.mock("vscode-languageclient/node", () => ({
  ProgressType: Object,
  ResponseError: class extends Error {},
  LSPErrorCodes: {},
}));

const TEXT = "def f():\n    pass\n";
const RANGE = new Range(0, 0, 2, 0);
const DOCUMENT = new TextDocument(new Uri("file", "/a.py"), TEXT);

type Token = CancellationTokenSource["token"];

/** A request as the server has it. */
interface Request {
  readonly range: Range;
  readonly grow: (text: string) => void;
  readonly end: (text: string) => void;
  readonly token: Token;
}

/** A preview and a language server: the test says when text comes and when a request ends. */
class Bench {
  readonly preview = new Preview();
  private onProgress: (value: { newText: string }) => void = () => undefined;
  private onRequest: (request: Request) => void = () => undefined;

  /** The server as one that asks for it gets it. */
  found: Promise<unknown> = Promise.resolve().then(() => this.client);

  readonly parts = { findClient: () => this.found, preview: this.preview } as unknown as EditParts;

  /** Asks for an edit, and returns the request once the server has it; `over` is the command's end. */
  async edit() {
    if (user.answers.length === 0) user.writes("do it");
    const asked = new Promise<Request>((resolve) => (this.onRequest = resolve));
    const over = editSelection(this.parts);
    return { ...(await asked), over };
  }

  readonly client = {
    onProgress: (_type: unknown, _token: unknown, listener: typeof this.onProgress) => {
      this.onProgress = listener;
      return { dispose: () => undefined };
    },
    code2ProtocolConverter: { asVersionedTextDocumentIdentifier: () => ({}), asRange: (range: Range) => range },
    protocol2CodeConverter: { asRange: () => RANGE },
    sendRequest: (_method: string, { range }: { range: Range }, token: Token) =>
      new Promise((resolve, reject) => {
        const { onProgress } = this;
        token.onCancellationRequested(() => {
          reject(new Error("cancelled"));
        });
        this.onRequest({
          range,
          token,
          grow: (newText) => {
            onProgress({ newText });
          },
          end: (newText) => {
            resolve({ notes: [], edit: { documentChanges: [{ edits: [{ newText }] }] } });
          },
        });
      }),
  };
}

/** Answers the box once a line was written at the top of the document, over `numOver` of its lines. */
function writesLate(numOver: number): void {
  const range = new Range(0, 0, numOver, 0);
  user.answers.push(() => {
    DOCUMENT.text = "# new\n" + DOCUMENT.text.slice(DOCUMENT.offsetAt(range.end));
    documentsChanged.fire({ document: DOCUMENT, contentChanges: [{ range, text: "# new\n" }] });
    return "do it";
  });
}

beforeEach(() => {
  DOCUMENT.text = TEXT;
  window.activeTextEditor = { document: DOCUMENT, selection: RANGE };
  documents.set(DOCUMENT.uri.toString(), DOCUMENT);
  user.told.length = 0;
  written.length = 0;
});

test("a second edit takes the place of the first one's diff", async () => {
  // The first one's end was taken for the user closing the second, which cancelled itself.
  const bench = new Bench();
  const first = await bench.edit();
  first.grow("def f():\n");
  first.end("first\n");
  await first.over;
  const second = await bench.edit();
  second.grow("def f():\n");
  second.end("second\n");
  await second.over;
  expect(second.token.isCancellationRequested).toBe(false);
  await commands.executeCommand("midfill.preview.accept");
  expect(written).toEqual(["second\n"]);
  expect(window.tabGroups.all[0]?.tabs).toEqual([]);
});

test("a second edit cancels the first while that grows, and keeps its own diff", async () => {
  const bench = new Bench();
  const first = await bench.edit();
  first.grow("first\n");
  const second = await bench.edit();
  second.grow("second\n");
  await first.over;
  expect(first.token.isCancellationRequested).toBe(true);
  second.end("second\n");
  await second.over;
  await commands.executeCommand("midfill.preview.accept");
  expect(written).toEqual(["second\n"]);
  expect(user.told).toEqual([]);
});

test("a diff that is closed while it grows cancels its edit", async () => {
  const bench = new Bench();
  const { grow, over, token } = await bench.edit();
  const shown = new Promise<void>((resolve) => commands.registerCommand("vscode.diff", resolve));
  grow("first\n");
  await shown;
  await commands.executeCommand("midfill.preview.reject");
  await over;
  expect(token.isCancellationRequested).toBe(true);
  expect(bench.preview.change).toBeUndefined();
  expect(user.told).toEqual([]);
});

test("what is edited is what was selected, though lines came above it while the instruction was typed", async () => {
  // The lines that had the selection's numbers by then were sent.
  const bench = new Bench();
  writesLate(0);
  const { range, end, over } = await bench.edit();
  expect(DOCUMENT.getText(range)).toBe(TEXT);
  end(TEXT);
  await over;
});

test("a selection that was changed while the instruction was typed is not edited", async () => {
  const bench = new Bench();
  writesLate(1);
  await editSelection(bench.parts);
  expect(user.told).toEqual(["Midfill: the code has changed there meanwhile. Ask again."]);
});

test("a server that starts is waited for, and the selection followed meanwhile", async () => {
  const bench = new Bench();
  let start: () => void = () => undefined;
  bench.found = new Promise<void>((resolve) => (start = resolve)).then(() => bench.client);
  const asked = bench.edit();
  const top = new Range(0, 0, 0, 0);
  await vi.waitFor(() => {
    if (user.answers.length > 0) throw new Error("the instruction is still to come");
  });
  DOCUMENT.text = "# new\n" + DOCUMENT.text;
  documentsChanged.fire({ document: DOCUMENT, contentChanges: [{ range: top, text: "# new\n" }] });
  start();
  const { range, end, over } = await asked;
  expect(DOCUMENT.getText(range)).toBe(TEXT);
  end(TEXT);
  await over;
});

test("where there is no server it is told why", async () => {
  const bench = new Bench();
  bench.found = Promise.reject(new Error("The language server was not found."));
  user.writes("do it");
  await editSelection(bench.parts);
  expect(user.told).toEqual(["Midfill: The language server was not found."]);
});

test.each([
  ["output", "this works in files; in front is the Output panel."],
  ["git", "this works in files; in front is a version of a file in git."],
  ["other", "this works in files; in front is a document of the kind other."],
  ["memfs", "this file is read-only."],
])("in a document of the scheme %s no instruction is asked for", async (scheme, told) => {
  // It was, and only then it was told that the document is not open.
  readOnlySchemes.add("memfs");
  window.activeTextEditor = { document: new TextDocument(new Uri(scheme, "/a.py"), TEXT), selection: RANGE };
  await editSelection(new Bench().parts);
  expect(user.told).toEqual([`Midfill: ${told}`]);
});

test("the keys and menus are there in the documents that the language server knows", () => {
  const { contributes } = contributed;
  const schemes = `resourceScheme =~ /^(${SCHEMES.join("|")})$/`;
  const { commandPalette, "editor/context": context } = contributes.menus;
  const about = /(edit|explain|fix|tests|doc|add)$/;
  const items = [...commandPalette, ...contributes.keybindings].filter(({ command }) => about.test(command));
  expect(items).toHaveLength(7);
  for (const { when } of items) expect(when).toContain(schemes);
  expect(context.map(({ when }) => when)).toEqual([schemes]);
});
