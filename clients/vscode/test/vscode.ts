/**
 * What of VS Code the code under test uses, in place of the module `vscode`. Settings, tabs and
 * commands are kept as VS Code keeps them; what the user says, the test writes into `user`.
 */

export class EventEmitter<T> {
  private readonly listeners = new Set<(value: T) => unknown>();

  readonly event = (listener: (value: T) => unknown) => {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  };

  fire(value: T): void {
    for (const listener of [...this.listeners]) listener(value);
  }
}

export class Position {
  constructor(
    readonly line: number,
    readonly character: number,
  ) {}

  with({ character }: { character: number }): Position {
    return new Position(this.line, character);
  }
}

export class Range {
  readonly start: Position;
  readonly end: Position;

  constructor(...from: [Position, Position] | [number, number, number, number]) {
    if (from.length === 2) [this.start, this.end] = from;
    else [this.start, this.end] = [new Position(from[0], from[1]), new Position(from[2], from[3])];
  }

  get isEmpty(): boolean {
    return this.isEqual(new Range(this.start, this.start));
  }

  isEqual(other: Range): boolean {
    return JSON.stringify(this) === JSON.stringify(other);
  }
}

export class Location {
  constructor(
    readonly uri: Uri,
    readonly range: Range,
  ) {}
}

export class Uri {
  constructor(
    readonly scheme: string,
    readonly path: string,
    readonly query = "",
  ) {}

  static from(parts: { scheme: string; path: string; query?: string }): Uri {
    return new Uri(parts.scheme, parts.path, parts.query);
  }

  static parse(text: string): Uri {
    const [, scheme = "", path = "", query = ""] = /^(\w+):(.*)\?(.*)$/.exec(text) ?? [];
    return new Uri(scheme, path, query);
  }

  static joinPath(base: Uri, ...parts: string[]): Uri {
    return new Uri(base.scheme, [base.path, ...parts].join("/"));
  }

  toString(): string {
    return `${this.scheme}:${this.path}?${this.query}`;
  }
}

export class CancellationTokenSource {
  private readonly cancelled = new EventEmitter<undefined>();
  readonly token = { isCancellationRequested: false, onCancellationRequested: this.cancelled.event };

  cancel(): void {
    if (this.token.isCancellationRequested) return;
    this.token.isCancellationRequested = true;
    this.cancelled.fire(undefined);
  }
}

export class WorkspaceEdit {
  readonly edits: { uri: Uri; range: Range; newText: string }[] = [];

  replace(uri: Uri, range: Range, newText: string): void {
    this.edits.push({ uri, range, newText });
  }
}

export class TabInputText {
  constructor(readonly uri: Uri) {}
}

export class TabInputNotebook extends TabInputText {}

export class TabInputTextDiff {
  constructor(
    readonly original: Uri,
    readonly modified: Uri,
  ) {}
}

export const SymbolKind = {};
export const ProgressLocation = { Notification: 15 };
export const ConfigurationTarget = { Global: 1 };

interface Item {
  readonly label: string;
}

interface Input {
  readonly value?: string;
}

/** What the user says when asked, in this order, and is told. */
export const user = {
  answers: [] as ((asked: Input & { readonly items: readonly Item[] }) => unknown)[],
  told: [] as string[],
  /** Picks an item by its label. */
  picks: (label: string) => user.answers.push(({ items }) => items.find((item) => item.label === label)),
  writes: (text: string) => user.answers.push(() => text),
  /** Leaves what an input box proposes. */
  takesProposed: () => user.answers.push(({ value }) => value),
};

function answer(asked: Input & { items: readonly Item[] }): Promise<unknown> {
  const given = user.answers.shift();
  if (!given) throw new Error("the user was asked more than the test says");
  return Promise.resolve(given(asked));
}

function tell(text: string): Promise<undefined> {
  user.told.push(text);
  return Promise.resolve(undefined);
}

/** The user's own settings, by their full names. */
export const settings = new Map<string, unknown>();
/** Documents by their addresses, as the test has them. */
export const documents = new Map<string, unknown>();
export const readOnlySchemes = new Set<string>();
/** What was written into them. */
export const written: string[] = [];

interface Tab {
  readonly input: TabInputText | TabInputTextDiff;
}

interface DocumentChange {
  readonly document: unknown;
  readonly contentChanges: readonly { readonly range: Range; readonly text: string }[];
}

interface ViewProvider {
  resolveWebviewView(view: unknown): void;
}

export const Disposable = {
  from: (...all: { dispose: () => unknown }[]) => ({
    dispose: () => {
      for (const one of all) one.dispose();
    },
  }),
};

const tabs: Tab[] = [];
/** The test fires what it did itself to tabs and documents. */
export const tabsChanged = new EventEmitter<{ closed: readonly Tab[] }>();
export const documentsChanged = new EventEmitter<DocumentChange>();
export const editorsChanged = new EventEmitter<unknown>();
export const selectionsChanged = new EventEmitter<{ textEditor: unknown }>();
/** Those that were registered, by their names. */
export const viewProviders = new Map<string, ViewProvider>();

export const window = {
  activeTextEditor: undefined as unknown,
  showQuickPick: (items: readonly Item[]) => answer({ items }),
  showInputBox: (input: Input) => answer({ ...input, items: [] }),
  showErrorMessage: tell,
  showInformationMessage: tell,
  showWarningMessage: tell,
  showTextDocument: () => Promise.resolve(undefined),
  onDidChangeActiveTextEditor: editorsChanged.event,
  onDidChangeTextEditorSelection: selectionsChanged.event,
  registerWebviewViewProvider: (name: string, provider: ViewProvider) => {
    viewProviders.set(name, provider);
    return { dispose: () => viewProviders.delete(name) };
  },
  withProgress: (_: unknown, work: (progress: unknown, token: unknown) => unknown) =>
    work({}, new CancellationTokenSource().token),
  tabGroups: {
    onDidChangeTabs: tabsChanged.event,
    get all() {
      return [{ tabs }];
    },
    close: async (tab: Tab) => {
      await Promise.resolve(); // VS Code tells of it later, too
      tabs.splice(tabs.indexOf(tab), 1);
      tabsChanged.fire({ closed: [tab] });
    },
  },
};

export const workspace = {
  registerTextDocumentContentProvider: () => ({ dispose: () => undefined }),
  asRelativePath: ({ path }: Uri) => path.slice(1),
  onDidChangeTextDocument: documentsChanged.event,
  openTextDocument: (uri: Uri) => {
    const document = documents.get(uri.toString());
    return document ? Promise.resolve(document) : Promise.reject(new Error(`cannot open ${uri.path}`));
  },
  fs: { isWritableFileSystem: (scheme: string) => !readOnlySchemes.has(scheme) },
  applyEdit: ({ edits }: WorkspaceEdit) => {
    written.push(...edits.map(({ newText }) => newText));
    return Promise.resolve(true);
  },
  getConfiguration: (section: string) => ({
    get: (name: string, otherwise?: unknown) => settings.get(`${section}.${name}`) ?? otherwise,
    inspect: (name: string) => ({ globalValue: settings.get(`${section}.${name}`) }),
    update: (name: string, value: unknown) => {
      if (value === undefined) settings.delete(`${section}.${name}`);
      else settings.set(`${section}.${name}`, value);
      return Promise.resolve();
    },
  }),
};

const registered = new Map<string, (...args: never[]) => unknown>();

export const commands = {
  registerCommand: (name: string, run: (...args: never[]) => unknown) => {
    registered.set(name, run);
    return { dispose: () => registered.delete(name) };
  },
  executeCommand: async (name: string, ...args: unknown[]) => {
    await Promise.resolve();
    if (name === "vscode.diff") tabs.push({ input: new TabInputTextDiff(args[0] as Uri, args[1] as Uri) });
    return registered.get(name)?.();
  },
};
