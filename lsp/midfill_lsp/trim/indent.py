"""Indentation: its width, and tabs or spaces as the document has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from midfill_lsp.trim import opener

TAB_WIDTH = 4
_LINES_LOOKED_AT = 200
_UNITS = (2, 3, 4, 8)
OPENERS = ("{", "(", "[", ":", "=>", " then", " do")
"""What a line ends with that opens a block, near enough where no block is seen to begin."""
_TABBED = frozenset({"go", "makefile"})


@dataclass(frozen=True, slots=True)
class Style:
    """How a document indents: by tabs, or by `unit` spaces.

    Attributes:
        is_sure: a block of the document was seen to be indented so.
    """

    tabs: bool
    unit: int
    is_sure: bool = False

    @property
    def step(self) -> str:
        """The blanks of one level."""
        return "\t" if self.tabs else " " * self.unit


def detect(prefix: str, suffix: str, language_id: str) -> Style:
    """Return the style of the indented line nearest above the end of `prefix`, else below.

    The unit is the commonest step into a block, else the smallest indentation. Without any line it
    is the language's habit: 4 spaces, or tabs where a formatter allows nothing else.
    """
    lines = prefix.split("\n")[-_LINES_LOOKED_AT:]
    nearest = _nearest(reversed(lines))
    if nearest is None:
        lines = suffix.split("\n", _LINES_LOOKED_AT)[1:_LINES_LOOKED_AT]
        nearest = _nearest(lines) or ("\t" if language_id in _TABBED else "")
    if nearest.startswith("\t"):
        return Style(tabs=True, unit=TAB_WIDTH)
    pairs = list(pairwise([line for line in lines if line.strip()]))
    blocks = [pair for pair in pairs if opener.begins_level(pair[0], language_id)]
    steps = Counter(_steps(blocks)) or Counter(_steps(pairs))
    if steps:
        return Style(tabs=False, unit=steps.most_common(1)[0][0], is_sure=True)
    widths = [width(line) for line in lines if line.startswith("  ")]
    unit = min((size for size in widths if size in (2, 4, 8)), default=4)
    return Style(tabs=False, unit=unit)


def _steps(pairs: Iterable[tuple[str, str]]) -> Iterator[int]:
    """Yield by how much lines below those that open something are indented more."""
    for above, below in pairs:
        if above.rstrip().endswith(OPENERS):
            size = step_between(above, below)
            if size in _UNITS:
                yield size


def rescaled(line: str, level: int, step: int, unit: int) -> str:
    """Return a line that is indented by `step` a level behind `level` with `unit` instead."""
    surplus = width(line) - level
    if surplus <= 0 or surplus % step:
        return line
    return " " * (level + surplus // step * unit) + line.lstrip(" \t")


def _nearest(lines: Iterable[str]) -> str | None:
    return next((line for line in lines if line.startswith(("\t", "  "))), None)


def width(line: str) -> int:
    """Return the columns of a line's leading whitespace, with a tab stop at every 4."""
    return len(_leading(line).expandtabs(TAB_WIDTH))


def step_between(above: str, below: str) -> int:
    """Return by how many columns a line is indented more than another."""
    return width(below) - width(above)


def is_mixed(line: str) -> bool:
    """Whether blanks stand behind tabs."""
    leading = _leading(line)
    return leading.startswith("\t") and " " in leading


def adapt(line: str, style: Style, aligns: bool = True) -> str:
    """Return the line with its leading whitespace in the document's style.

    Args:
        line: as it came.
        style: the document's.
        aligns: blanks behind tabs align a line with what stands above it, and stay.
    """
    leading = _leading(line)
    if style.tabs and " " in leading and not (aligns and is_mixed(line)):
        tabs, spaces = divmod(width(line), TAB_WIDTH)
        return "\t" * tabs + " " * spaces + line[len(leading) :]
    if not style.tabs and "\t" in leading:
        return leading.replace("\t", " " * style.unit) + line[len(leading) :]
    return line


def _leading(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]
