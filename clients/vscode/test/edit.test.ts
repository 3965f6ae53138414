import { beforeEach, expect, test, vi } from "vitest";

import { editSelection, type EditParts } from "../src/edit/edit";
import { Preview } from "../src/preview/preview";
import { commands, documents, Range, Uri, user, window, written, type CancellationTokenSource } from "./vscode";

vi.mock("vscode-languageclient/node", () => ({
  ProgressType: Object,
  ResponseError: Error,
  LSPErrorCodes: {},
}));

const TEXT = "def f():\n    pass\n";
const RANGE = new Range(0, 0, 2, 0);
const DOCUMENT = { uri: new Uri("file", "/a.py"), getText: () => TEXT };

type Token = CancellationTokenSource["token"];

/** A request as the server has it. */
interface Request {
  readonly grow: (text: string) => void;
  readonly end: (text: string) => void;
  readonly token: Token;
}

/** A preview and a language server: the test says when text comes and when a request ends. */
class Bench {
  readonly preview = new Preview();
  private onProgress: (value: { newText: string }) => void = () => undefined;
  private onRequest: (request: Request) => void = () => undefined;

  /** Asks for an edit, and returns the request once the server has it; `over` is the command's end. */
  async edit() {
    user.writes("do it");
    const asked = new Promise<Request>((resolve) => (this.onRequest = resolve));
    const over = editSelection({ client: () => this.client, preview: this.preview } as unknown as EditParts);
    return { ...(await asked), over };
  }

  readonly client = {
    onProgress: (_type: unknown, _token: unknown, listener: typeof this.onProgress) => {
      this.onProgress = listener;
      return { dispose: () => undefined };
    },
    code2ProtocolConverter: { asVersionedTextDocumentIdentifier: () => ({}), asRange: () => RANGE },
    protocol2CodeConverter: { asRange: () => RANGE },
    sendRequest: (_method: string, _params: unknown, token: Token) =>
      new Promise((resolve, reject) => {
        const { onProgress } = this;
        token.onCancellationRequested(() => {
          reject(new Error("cancelled"));
        });
        this.onRequest({
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

beforeEach(() => {
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
  expect(bench.preview.isShown).toBe(false);
  expect(user.told).toEqual([]);
});
