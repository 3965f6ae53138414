import { beforeEach, expect, test } from "vitest";

import { watchCursor, type CursorParts } from "../src/ghost/cursor";
import { TextDocument } from "./document";
import { editorsChanged, Position, Range, selectionsChanged, settings, Uri, window } from "./vscode";

class Selection extends Range {
  get active(): Position {
    return this.end;
  }
}

const cursor = (line: number, character: number) => new Selection(line, character, line, character);

/** An editor, and a server that keeps what it is told. */
class Bench {
  readonly told: unknown[] = [];
  isOpen = true;
  readonly editor: { document: TextDocument; selections: Selection[] };
  private readonly client = {
    code2ProtocolConverter: {
      asUri: ({ path }: Uri) => path,
      asPosition: ({ line, character }: Position) => ({ line, character }),
    },
    sendNotification: (method: string, params: object) => this.told.push({ method, ...params }),
  };

  constructor(scheme = "file") {
    this.editor = { document: new TextDocument(new Uri(scheme, "/a.py"), "a\nb\nword\n"), selections: [cursor(2, 4)] };
    window.activeTextEditor = this.editor;
    watchers.push(watchCursor({ client: () => this.client, isOpen: () => this.isOpen } as unknown as CursorParts));
  }

  open(): void {
    editorsChanged.fire(this.editor);
  }

  move(...selections: Selection[]): void {
    this.editor.selections = selections;
    selectionsChanged.fire({ textEditor: this.editor });
  }

  type(selection: Selection): void {
    this.editor.document.version++;
    this.move(selection);
  }
}

const watchers: { dispose: () => unknown }[] = [];

beforeEach(() => {
  for (const watcher of watchers.splice(0)) watcher.dispose();
});

const place = (line: number, character: number) => ({
  method: "midfill/didMoveCursor",
  textDocument: { uri: "/a.py" },
  position: { line, character },
});

test("the server is told where a document is opened at, and where the cursor goes", () => {
  const bench = new Bench();
  bench.open();
  bench.move(cursor(0, 1));
  expect(bench.told).toEqual([place(2, 4), place(0, 1)]);
});

test("the editor that was in front at the start is known by its first move", () => {
  const bench = new Bench();
  bench.move(cursor(0, 1));
  expect(bench.told).toEqual([place(0, 1)]);
});

test("not of a cursor that typing moved, but of the next move", () => {
  const bench = new Bench();
  bench.open();
  bench.type(cursor(2, 5));
  bench.type(cursor(2, 6));
  bench.move(cursor(1, 0));
  expect(bench.told).toEqual([place(2, 4), place(1, 0)]);
});

test("not of the cursor that the same file has beside", () => {
  const bench = new Bench();
  bench.open();
  bench.type(cursor(2, 5));
  selectionsChanged.fire({ textEditor: { document: bench.editor.document, selections: [cursor(3, 0)] } });
  expect(bench.told).toEqual([place(2, 4)]);
});

test("not of a selection, nor of several cursors", () => {
  const bench = new Bench();
  bench.open();
  bench.move(new Selection(0, 0, 1, 0));
  bench.move(cursor(0, 0), cursor(1, 0));
  expect(bench.told).toHaveLength(1);
});

test("not where VS Code shows no suggestions", () => {
  settings.set("editor.inlineSuggest.enabled", false);
  const bench = new Bench();
  bench.open();
  settings.delete("editor.inlineSuggest.enabled");
  expect(bench.told).toEqual([]);
});

test("not while suggestions are paused, nor in what the server does not know", () => {
  const paused = new Bench();
  paused.isOpen = false;
  paused.open();
  expect(paused.told).toEqual([]);
  const output = new Bench("output");
  output.open();
  expect(output.told).toEqual([]);
});
