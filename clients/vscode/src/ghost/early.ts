/**
 * Whether the server may be asked before the editor asks. Pure.
 *
 * VS Code waits 50 ms after each key before it asks for a suggestion, and no extension can change
 * that. The extension hears of the key at once, so it asks in the editor's place, and has the
 * answer, or a good part of it, when the editor comes. It does so only while the editor keeps
 * coming: after each such question the editor must have asked, plainly, before there is another.
 * So nothing is asked for where suggestions are switched off, a menu is open, or keys come faster
 * than the editor asks.
 */
export class Early {
  /** The document in which the editor's own request came last; undefined once that is used up. */
  private askedIn: string | undefined;

  /** Notes a request of the editor's. */
  editorAsked(uri: string, isPlain: boolean): void {
    this.askedIn = isPlain ? uri : undefined;
  }

  /** Returns whether to ask about the change that was just made, and takes that for done. */
  take(uri: string): boolean {
    const isDue = this.askedIn === uri;
    this.askedIn = undefined;
    return isDue;
  }
}
