"""A suggestion as an editor has it, and whether another is its rest. Pure. Made by `server`."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_CHARS = 200
"""Enough to tell two places of a file apart; a minified line may have a million."""


@dataclass(frozen=True, slots=True)
class Item:
    """A suggestion as an editor has it.

    Attributes:
        item_id: as it stands in its command.
        uri: the document.
        language_id: its language.
        line_idx: where the text goes.
        text: as it would be inserted.
        head: what stands before it in its line, the last `HEAD_CHARS`.
    """

    item_id: str
    uri: str
    language_id: str
    line_idx: int
    text: str
    head: str = ""

    def is_rest_of(self, other: Item) -> bool:
        """Whether it is what the other's text leaves once its beginning was typed there."""
        whole, rest = other.head + other.text, self.head + self.text
        typed = whole[: len(whole) - len(rest)]
        num_lines = self.line_idx - other.line_idx
        return whole.endswith(rest) and typed.count("\n") == num_lines
