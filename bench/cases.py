"""Infill cases from held-out files: one cursor each, and the text that stood behind it.

All kinds are seeded, so that they are the same wherever the same files are:

    line        from a random character of a line to the line's end
    mid         the same, but the cursor stands inside an identifier
    multi       2 to 8 lines: from a line that opens a block to the block's end, or consecutive ones
    cross_file  behind a name that another file defines; drawn by ``bench.crossing``

Called by ``bench.quality``, ``bench.recite`` and ``bench.drafts``; knows no models.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from training.sources import SourceFile

from midfill_lsp.fim_files import OtherFile

Kind = Literal["line", "mid", "multi", "cross_file"]
KINDS: tuple[Kind, ...] = ("line", "mid", "multi")
"""Those that are drawn here, from one file alone."""

MAX_LINES = 8
"""Longest block of kind ``multi``; consecutive lines are at most ``MAX_RUN``."""
MAX_RUN = 4
TRIES = 30
"""Draws in one file before it is given up as having no place for a case of the kind."""
IDENTIFIER = re.compile(r"[^\W\d]\w+")


@dataclass(frozen=True, slots=True)
class Case:
    """One cursor. ``prefix + expected + suffix`` is the file.

    Attributes:
        identifier: of kind ``mid``, the rest of the identifier that the cursor stands in.
        others: of kind ``cross_file``, pieces of other files by what is sent along.
    """

    kind: Kind
    package: str
    path: str
    language: str
    prefix: str
    suffix: str
    expected: str
    identifier: str | None = None
    others: Mapping[str, tuple[OtherFile, ...]] = field(
        default_factory=dict[str, tuple[OtherFile, ...]]
    )

    @property
    def num_lines(self) -> int:
        """Lines of the expected text."""
        return self.expected.count("\n") + 1

    @property
    def cluster(self) -> str:
        """The file, as the unit that intervals resample."""
        return f"{self.package}/{self.path}"

    @property
    def head(self) -> str:
        """The cursor's line up to the cursor."""
        return self.prefix.rsplit("\n", 1)[-1]


def draw(files: Sequence[SourceFile], kind: Kind, num_cases: int, seed: int = 0) -> list[Case]:
    """Returns ``num_cases`` cases; every file gives one before any gives its next.

    Fewer only where no file has a place for this kind.
    """
    rng = random.Random(f"{seed}/{kind}")
    order = list(files)
    rng.shuffle(order)
    cases: list[Case] = []
    while order and len(cases) < num_cases:
        drawn = [(file, draw_one(file, kind, rng)) for file in order[: num_cases - len(cases)]]
        cases += [case for _, case in drawn if case is not None]
        barren = {id(file) for file, case in drawn if case is None}
        order = [file for file in order if id(file) not in barren]
    return cases


def draw_one(file: SourceFile, kind: Kind, rng: random.Random) -> Case | None:
    """Returns one case of ``file``, or None where it has no place for one."""
    lines = file.text.split("\n")
    rows = [idx for idx, line in enumerate(lines) if line.strip()]
    for _ in range(TRIES if rows else 0):
        cut = CUTS[kind](lines, rng.choice(rows), rng)
        if cut is not None:
            return make(file, kind, lines, cut)
    return None


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a middle begins (line, column) and the last line that it ends with."""

    row: int
    column: int
    last_row: int


def make(
    file: SourceFile,
    kind: Kind,
    lines: Sequence[str],
    cut: Cut,
    others: Mapping[str, tuple[OtherFile, ...]] | None = None,
) -> Case:
    """Returns the case that ``cut`` makes of ``file``."""
    line = lines[cut.row]
    prefix = "\n".join([*lines[: cut.row], line[: cut.column]])
    expected = "\n".join([line[cut.column :], *lines[cut.row + 1 : cut.last_row + 1]])
    suffix = "".join("\n" + follow for follow in lines[cut.last_row + 1 :])
    word = re.match(r"\w+", expected) if kind == "mid" else None
    identifier = word.group() if word else None
    return Case(
        kind, file.package, file.path, file.language, prefix, suffix, expected, identifier,
        others or {},
    )  # fmt: skip


def cut_line(lines: Sequence[str], row: int, rng: random.Random) -> Cut:
    """Returns a cut at or after the first character that is not blank, before the last."""
    line = lines[row]
    return Cut(row, rng.randrange(len(line) - len(line.lstrip()), len(line.rstrip())), row)


def cut_identifier(lines: Sequence[str], row: int, rng: random.Random) -> Cut | None:
    """Returns a cut between two characters of an identifier."""
    words = list(IDENTIFIER.finditer(lines[row]))
    if not words:
        return None
    word = rng.choice(words)
    return Cut(row, rng.randrange(word.start() + 1, word.end()), row)


def cut_lines(lines: Sequence[str], row: int, rng: random.Random) -> Cut | None:
    """Returns a cut in a line that opens a block, or, half of the time, of consecutive lines."""
    last = block_end(lines, row) if rng.random() < 0.5 else row + rng.randint(1, MAX_RUN - 1)
    if last is None or last >= len(lines) or not lines[last].strip():
        return None
    if not row < last < row + MAX_LINES:
        return None
    return Cut(row, cut_line(lines, row, rng).column, last)


def block_end(lines: Sequence[str], row: int) -> int | None:
    """Returns the last line that is indented deeper than line ``row``, None where none follows.

    A closing bracket on a line of its own is no part of it: editors have put it there already.
    """
    depth = indent(lines[row])
    last = None
    for idx in range(row + 1, len(lines)):
        if not lines[idx].strip():
            continue
        if indent(lines[idx]) <= depth:
            break
        last = idx
    return last


def indent(line: str) -> int:
    """Returns the number of blanks that a line begins with."""
    return len(line) - len(line.lstrip())


CUTS: Mapping[Kind, Callable[[Sequence[str], int, random.Random], Cut | None]] = {
    "line": cut_line,
    "mid": cut_identifier,
    "multi": cut_lines,
}
