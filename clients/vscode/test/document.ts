import { Position, type Range, type Uri } from "./vscode";

/** A document whose lines end in `\n`; the test changes its text and tells of it. */
export class TextDocument {
  version = 1;

  constructor(
    readonly uri: Uri,
    public text: string,
  ) {}

  getText(range?: Range): string {
    return range ? this.text.slice(this.offsetAt(range.start), this.offsetAt(range.end)) : this.text;
  }

  lineAt(line: number): { text: string } {
    return { text: this.text.split("\n")[line] ?? "" };
  }

  offsetAt({ line, character }: Position): number {
    const above = this.text.split("\n").slice(0, line);
    return above.reduce((sum, { length }) => sum + length + 1, character);
  }

  positionAt(offset: number): Position {
    const lines = this.text.slice(0, offset).split("\n");
    return new Position(lines.length - 1, lines.at(-1)?.length ?? 0);
  }
}
