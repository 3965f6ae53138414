"""A piece of a file that may go along. Made by the sources, chosen by `choose`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SourceName = Literal["buffer", "edit", "definition"]

CHARS_PER_TOKEN = 3.5
"""Of code, for the families of tokenizers that there are; the language server has none."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of a file, as it stands there, its lines ended by LF.

    Attributes:
        source: where it was found.
        uri: the document's URI or path; the gate judges by it.
        first_line: of the file; with `uri` and `text` it tells one from another.
        text: whole lines.
        terms: the words in it.
        boost: how much more it counts than words alone.
    """

    source: SourceName
    uri: str
    first_line: int
    text: str
    terms: frozenset[str]
    boost: float = 1.0

    @property
    def tokens(self) -> int:
        """How many tokens it may take, with its name."""
        return int((len(self.text) + len(self.uri.rpartition("/")[2])) / CHARS_PER_TOKEN) + 8

    @property
    def lines(self) -> frozenset[str]:
        """Its lines without indentation, those with hardly anything on them left out."""
        return line_set(self.text)


@dataclass(frozen=True, slots=True)
class Query:
    """What stands around the cursor.

    Attributes:
        uri: the document.
        line_idx: the cursor's line.
        weights: the words around the cursor, the nearer the heavier.
        lines: the lines that the prompt holds anyway.
    """

    uri: str
    line_idx: int
    weights: Mapping[str, float]
    lines: frozenset[str]


def line_set(text: str) -> frozenset[str]:
    """Return the lines of a text that say something, without indentation."""
    return frozenset(line for raw in text.split("\n") if len(line := raw.strip()) > 3)
