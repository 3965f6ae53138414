/**
 * One suggestion while it is being written. Pure: knows neither VS Code nor the wire.
 *
 * The text of its first item only ever grows. Somebody shows it, as `show` says, and is told by `onMore` when there is
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

/** What is to be shown now: the first item as far as it has come, or all of them at the end. */
export interface Showing<Item> {
  readonly isFinished: boolean;
  readonly items: readonly Item[];
}

class Signal {
  give: () => void = () => undefined;
  readonly given = new Promise<void>((resolve) => (this.give = resolve));
}

export class Growth<Item> {
  private grown: Item | undefined;
  private items: readonly Item[] | undefined;
  /** How much of the text was shown; infinite once the end was. */
  private shownLen: number | undefined;
  private lastShown: Item | undefined;
  private showings = 0;
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
    return this.grown !== undefined || this.items !== undefined;
  }

  get isFinished(): boolean {
    return this.items !== undefined;
  }

  /** Whether something was shown that is not all there is. */
  get hasMore(): boolean {
    if (this.shownLen === undefined) return false;
    return this.items === undefined ? this.grownLen > this.shownLen : this.shownLen < Infinity;
  }

  /** How many suggestions there are at the end; 0 before it. */
  get numItems(): number {
    return this.items?.length ?? 0;
  }

  /** Whether what is to be shown is another text than what is shown. */
  get isLonger(): boolean {
    const next = this.items?.[0] ?? this.grown;
    const shown = this.lastShown;
    return next !== undefined && (shown === undefined || this.textOf(next) !== this.textOf(shown));
  }

  /** The first item as it was shown last. */
  get shownItem(): Item | undefined {
    return this.lastShown;
  }

  /** How often it was shown. */
  get numShowings(): number {
    return this.showings;
  }

  /** Takes the first item as far as it has come. */
  grow(item: Item): void {
    if (this.items !== undefined || this.textOf(item).length <= this.grownLen) return;
    this.grown = item;
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
    const isFinished = this.items !== undefined;
    const items = this.items ?? (this.grown === undefined ? [] : [this.grown]);
    this.shownLen = isFinished ? Infinity : this.grownLen;
    this.lastShown = items[0];
    this.showings++;
    return { isFinished, items };
  }

  /** What was shown stands behind another text: all of it is still to be shown. */
  stoodBehind(): void {
    this.shownLen = 0;
    this.lastShown = undefined;
  }

  private get grownLen(): number {
    return this.grown === undefined ? 0 : this.textOf(this.grown).length;
  }
}
