/**
 * One suggestion while it is being written. Pure: knows neither VS Code nor the wire.
 *
 * `text` only ever grows. Somebody shows it, as `show` says, and is told by `onMore` when there is
 * more to show than was.
 */

export interface Place {
  readonly uri: string;
  readonly version: number;
  readonly line: number;
  readonly character: number;
}

export function samePlace(one: Place, other: Place): boolean {
  return (
    one.uri === other.uri &&
    one.version === other.version &&
    one.line === other.line &&
    one.character === other.character
  );
}

/** What is to be shown now: the text so far, or, once it has ended, the server's own items. */
export type Showing<Item> =
  | { readonly kind: "growing"; readonly text: string }
  | { readonly kind: "finished"; readonly items: readonly Item[] };

class Signal {
  give: () => void = () => undefined;
  readonly given = new Promise<void>((resolve) => (this.give = resolve));
}

export class Growth<Item> {
  private text = "";
  private items: readonly Item[] | undefined;
  /** How much of the text was shown; infinite once the end was. */
  private shownLen: number | undefined;
  private lastText = "";
  private readonly begun = new Signal();
  private readonly ended = new Signal();
  /** Called when there is more than was shown; not before something was. */
  onMore: () => void = () => undefined;

  constructor(
    readonly place: Place,
    private readonly textOf: (item: Item) => string,
  ) {}

  /** Whether there is text, or the end. */
  get hasBegun(): boolean {
    return this.text !== "" || this.items !== undefined;
  }

  get isFinished(): boolean {
    return this.items !== undefined;
  }

  /** Whether something was shown that is not all there is. */
  get hasMore(): boolean {
    if (this.shownLen === undefined) return false;
    return this.items === undefined ? this.text.length > this.shownLen : this.shownLen < Infinity;
  }

  /** How many suggestions there are at the end; 0 before it. */
  get numItems(): number {
    return this.items?.length ?? 0;
  }

  /** Whether what is to be shown is another text than what is shown. */
  get isLonger(): boolean {
    const [first] = this.items ?? [];
    const next = first === undefined ? this.text : this.textOf(first);
    return next !== this.lastText;
  }

  /** What was shown last of the first suggestion. */
  get shownText(): string {
    return this.lastText;
  }

  /** Takes the whole text so far. */
  grow(text: string): void {
    if (this.items !== undefined || text.length <= this.text.length) return;
    this.text = text;
    this.begun.give();
    if (this.hasMore) this.onMore();
  }

  /** Takes the end: what the server answered, or nothing where it failed or was cancelled. */
  finish(items: readonly Item[]): void {
    if (this.items !== undefined) return;
    this.items = items;
    this.begun.give();
    this.ended.give();
    if (this.hasMore) this.onMore();
  }

  /** Waits for something to show, or for the end. */
  begin(): Promise<void> {
    return this.begun.given;
  }

  /** Waits for the end. */
  end(): Promise<void> {
    return this.ended.given;
  }

  /** Returns what is to be shown, and takes it for shown. */
  show(): Showing<Item> {
    if (this.items !== undefined) {
      this.shownLen = Infinity;
      const [first] = this.items;
      this.lastText = first === undefined ? "" : this.textOf(first);
      return { kind: "finished", items: this.items };
    }
    this.shownLen = this.text.length;
    this.lastText = this.text;
    return { kind: "growing", text: this.text };
  }
}
