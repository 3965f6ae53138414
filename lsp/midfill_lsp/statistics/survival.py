"""What is left of accepted text after a while. Pure. Called by `tracker`.

The place is a line, moved by the edits above it; around it the text is looked for as it was, and
else token by token: the fewest insertions, deletions and replacements that make a part of the
document of it (Sellers, 1980).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Fate = Literal["kept", "mostly_kept", "gone"]

_MARGIN_LINES = 5
"""An edit right before the text moves it unseen; lines may be wrapped by a formatter."""
_MAX_TOKENS, _MAX_WINDOW_TOKENS = 150, 400
"""150 by 400 cells take 30 ms, in a thread; longer texts are judged by their beginning."""
_MAX_HEAD_TOKENS = 20
_MOST = 1 / 3
"""`mostly_kept` is a text of which at most a third of the tokens was changed."""
_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where accepted text stands: the line that it begins in."""

    uri: str
    line_idx: int

    def after(self, start_line: int, end_line: int, num_breaks: int) -> Place:
        """Return the place after an edit.

        Args:
            start_line: where the replaced text began.
            end_line: where it ended.
            num_breaks: line breaks in the text that came in its place.
        """
        if end_line < self.line_idx:
            return replace(self, line_idx=self.line_idx + num_breaks - (end_line - start_line))
        if start_line < self.line_idx:
            return replace(self, line_idx=start_line + num_breaks)
        return self


def judge(
    text: str, lines: Sequence[str], line_idx: int, head: str = "", num_others: int = 0
) -> Fate:
    """Return what became of accepted text in a document.

    Args:
        text: as it was accepted.
        lines: the document's, with their ends.
        line_idx: where the text began, as far as is known.
        head: what stood before it in its line.
        num_others: see `others`.
    """
    wanted, window = _plain(text).strip(), _window(text, lines, line_idx)
    if _stands(text, lines, line_idx, head) or (wanted and window.count(wanted) > num_others):
        return "kept"
    tokens = _TOKEN.findall(wanted)[:_MAX_TOKENS]
    most = _MOST * len(tokens)
    if num_others:  # a twin would be taken for what is left of it: only its own lines tell
        window = _plain("".join(lines[line_idx : line_idx + text.count("\n") + 1]))
        tokens = [*_TOKEN.findall(head)[-_MAX_HEAD_TOKENS:], *tokens]
    found = _TOKEN.findall(window)[:_MAX_WINDOW_TOKENS]
    return "mostly_kept" if most and distance(tokens, found) <= most else "gone"


def others(text: str, lines: Sequence[str], line_idx: int, head: str) -> int:
    """Return how often the same text stands around a place, but for the one that was put there.

    Args:
        text: as it is accepted.
        lines: the document's, with the text or still without.
        line_idx: where it goes.
        head: what stands before it in its line.
    """
    wanted = _plain(text).strip()
    num_found = _window(text, lines, line_idx).count(wanted) if wanted else 0
    return max(0, num_found - _stands(text, lines, line_idx, head))


def _stands(text: str, lines: Sequence[str], line_idx: int, head: str) -> bool:
    last = line_idx + text.count("\n") + 1
    return _plain(head + text) in _plain("".join(lines[line_idx:last]))


def _window(text: str, lines: Sequence[str], line_idx: int) -> str:
    first = max(0, line_idx - _MARGIN_LINES)
    last = line_idx + text.count("\n") + 1 + _MARGIN_LINES
    return _plain("".join(lines[first:last]))


def distance(tokens: Sequence[str], window: Sequence[str]) -> int:
    """Return the fewest edits that make some part of `window` of `tokens`."""
    above = [0] * (len(window) + 1)  # a part may begin anywhere
    for row, token in enumerate(tokens, 1):
        here = [row]
        for column, other in enumerate(window, 1):
            replaced = above[column - 1] + (token != other)
            here.append(min(replaced, above[column] + 1, here[column - 1] + 1))
        above = here
    return min(above)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")
