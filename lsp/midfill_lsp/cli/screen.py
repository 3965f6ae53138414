"""What the demo draws: files with ghost text, and the table at the end. Called by `demo`."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from midfill_lsp.cli.samples import Sample
from midfill_lsp.cli.text import split_lines
from midfill_lsp.printable import printable

_GHOST, _TYPED = "italic bright_black", "bold underline"
_WIDTH = 84


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; times in milliseconds, None where there is none."""

    what: str
    result: str
    first_ms: float | None = None
    total_ms: float | None = None
    num_tokens: int | None = None


class Screen:
    """A terminal, or a file that gets only what is final."""

    def __init__(self, *, with_color: bool) -> None:
        """Look at stdout."""
        self._console = Console(no_color=not with_color, highlight=False)
        self._is_live = self._console.is_terminal
        if not self._is_live:
            self._console = Console(no_color=True, highlight=False, width=_WIDTH)

    def say(self, line: str) -> None:
        """Print one line."""
        self._console.print(printable(line), markup=False)

    @contextlib.contextmanager
    def waiting(self, for_what: str) -> Generator[None, None, None]:
        """Show a spinner while this is entered."""
        if not self._is_live:
            self.say(for_what)
            yield
            return
        with self._console.status(Text(for_what)):
            yield

    @contextlib.contextmanager
    def showing(self, sample: Sample) -> Generator[Frame, None, None]:
        """Show a file while this is entered; the frame as it was last set stays."""
        frame = Frame(sample)
        if self._is_live:
            with Live(frame, console=self._console, auto_refresh=False) as live:
                frame.live = live
                yield frame
        else:
            yield frame
            self._console.print(frame)

    def table(self, rows: Sequence[Row]) -> None:
        """Print the summary."""
        table = Table(box=None, padding=(0, 2, 0, 0), title_justify="left")
        for name in ("what", "result"):
            table.add_column(name)
        for name in ("first text", "whole", "tokens"):
            table.add_column(name, justify="right")
        for row in rows:
            times = (row.first_ms, row.total_ms)
            shown = ["" if ms is None else f"{ms:.1f} ms" for ms in times]
            tokens = "" if row.num_tokens is None else str(row.num_tokens)
            table.add_row(Text(row.what), Text(printable(row.result)), *shown, tokens)
        self._console.print()
        self._console.print(table)


class Frame:
    """One file with typed and ghost text at its caret, and a line below it."""

    def __init__(self, sample: Sample) -> None:
        """Show the file alone."""
        self._sample = sample
        self._typed = ""
        self._ghost = ""
        self._note = ""
        self._num_replaced = 0
        self.live: Live | None = None

    def draw(
        self,
        ghost: str,
        *,
        typed: str | None = None,
        note: str | None = None,
        replaces_rest: bool | None = None,
    ) -> None:
        """Show other text; what is None stays. With `replaces_rest` the line's end is hidden."""
        self._ghost = printable(ghost)
        self._typed = self._typed if typed is None else printable(typed)
        self._note = self._note if note is None else printable(note)
        if replaces_rest is not None:
            rest = split_lines(self._sample.text[self._sample.offset :])[0]
            self._num_replaced = len(rest) if replaces_rest else 0
        if self.live is not None:
            self.live.refresh()

    def __rich__(self) -> RenderableType:
        """Return what rich draws."""
        sample = self._sample
        syntax = Syntax("", "python", theme="ansi_dark", background_color="default")
        code = syntax.highlight(sample.text)
        # Blanks at the end stay as far as the caret, or the ghost text moves up to a line above.
        code = code[: max(sample.offset, len(sample.text.rstrip()))]
        before, after = code[: sample.offset], code[sample.offset + self._num_replaced :]
        text = Text.assemble(before, (self._typed, _TYPED), (self._ghost, _GHOST), after)
        panel = Panel(text, title=sample.name, title_align="left", width=_WIDTH)
        return Group(panel, Text(self._note or " ", style="dim"))
