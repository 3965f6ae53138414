"""Indentation: its width, and tabs or spaces as the document has them."""

from __future__ import annotations

from dataclasses import dataclass

_TAB_WIDTH = 4
_LINES_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Style:
    """How a document indents: by tabs, or by `unit` spaces."""

    tabs: bool
    unit: int


def detect(prefix: str) -> Style:
    """Return the style of the indented line nearest above the end of `prefix`.

    The unit is the smallest step found; 4 without any.
    """
    lines = prefix.split("\n")[-_LINES_LOOKED_AT:]
    for line in reversed(lines):
        if line.startswith("\t"):
            return Style(tabs=True, unit=_TAB_WIDTH)
        if line.startswith("  "):
            break
    widths = [width(line) for line in lines if line.startswith("  ")]
    unit = min((size for size in widths if size in (2, 4, 8)), default=4)
    return Style(tabs=False, unit=unit)


def width(line: str) -> int:
    """Return the columns of a line's leading whitespace, with a tab stop at every 4."""
    return len(_leading(line).expandtabs(_TAB_WIDTH))


def adapt(line: str, style: Style) -> str:
    """Return the line with its leading whitespace in the document's style."""
    leading = _leading(line)
    if style.tabs and " " in leading:
        tabs, spaces = divmod(width(line), _TAB_WIDTH)
        return "\t" * tabs + " " * spaces + line[len(leading) :]
    if not style.tabs and "\t" in leading:
        return leading.replace("\t", " " * style.unit) + line[len(leading) :]
    return line


def _leading(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]
