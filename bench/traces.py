"""Somebody types: the states of an editor while a piece of a real file is written again.

Seeded. Brackets and quotes are closed by the editor and typed through, a new line is indented by
it, a brace on its own line is stepped over, and now and then letters go wrong and are taken back.
Called by ``bench.reuse``; knows no language server and no engine.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

Key = Literal["jump", "text", "opener", "closer", "newline", "wrong", "backspace"]
_PIECE = re.compile(r"\n[ \t]*|.", re.DOTALL)
PAIRS = {"(": ")", "[": "]", "{": "}"}
QUOTES = "\"'`"
WRONG_RATE = 0.03
"""Of the keys; one to three letters go wrong, and as many are taken back."""


@dataclass(frozen=True, slots=True)
class State:
    """A document and the cursor in it, after a key."""

    before: str
    after: str
    key: Key


@dataclass(slots=True)
class Editor:
    """A document that is being written; ``auto`` are the closers that the editor put there."""

    before: str
    after: str
    auto: list[str] = field(default_factory=list[str])

    def write(self, piece: str) -> Key:
        """Types one piece: a character, or a line end with the indentation behind it."""
        if piece.startswith("\n"):
            return self._newline(piece)
        if self.auto and piece == self.auto[-1] and self.after.startswith(piece):
            self.auto.pop()
            self.step_over(len(piece))
            return "closer"
        if closes := self._closer(piece):
            self.before += piece
            self.after = closes + self.after
            self.auto.append(closes)
            return "opener"
        self.before += piece
        return "text"

    def erase(self) -> None:
        """Takes the last character back."""
        self.before = self.before[:-1]

    def _closer(self, piece: str) -> str:
        free = not self.after or self.after[0].isspace() or self.after[0] in ")]}" + QUOTES
        if not free:
            return ""
        if piece in QUOTES:
            line = self.before[self.before.rfind("\n") + 1 :]
            inside = line.count(piece) % 2 == 1 or line[-1:].isalnum()
            return "" if inside or line.endswith(piece) else piece
        return PAIRS.get(piece, "")

    def _newline(self, piece: str) -> Key:
        auto = self.auto[-1] if self.auto else ""
        if auto and PAIRS.get(self.before[-1:]) == auto and self.after.startswith(auto):
            # {|} becomes three lines
            line = self.before[self.before.rfind("\n") + 1 :]
            indent = line[: len(line) - len(line.lstrip())]
            self.after = f"\n{indent}{self.after}"
            self.auto[-1] = f"\n{indent}{auto}"
        self.before += piece
        return "newline"

    def step_over(self, count: int) -> None:
        """Moves the cursor behind so many characters."""
        self.before, self.after = self.before + self.after[:count], self.after[count:]


def type_again(text: str, start: int, end: int, rng: random.Random) -> Iterator[State]:
    """Yields the states in which ``text[start:end]`` is written between what stands around it."""
    editor = Editor(text[:start], text[end:])
    yield State(editor.before, editor.after, "jump")
    for piece in pieces(text[start:end], editor):
        if piece.isalpha() and rng.random() < WRONG_RATE:
            count = rng.randint(1, 3)
            for _ in range(count):
                editor.write(rng.choice(string.ascii_lowercase))
                yield State(editor.before, editor.after, "wrong")
            for _ in range(count):
                editor.erase()
                yield State(editor.before, editor.after, "backspace")
        key = editor.write(piece)
        yield State(editor.before, editor.after, key)


def pieces(text: str, editor: Editor) -> Iterator[str]:
    """Yields what is typed at a time; the closer of an opened block goes with its line end."""
    at = 0
    while at < len(text):
        at = step_over_block(text, at, editor)
        if at < len(text):
            piece = next_piece(text, at)
            yield piece
            at += len(piece)


def next_piece(text: str, at: int) -> str:
    """Returns what is typed next: a character, or a line end with the indentation behind it."""
    found = _PIECE.match(text, at)
    assert found is not None
    return found[0]


def step_over_block(text: str, at: int, editor: Editor) -> int:
    """Moves over the closer of a block that the editor put on its own line, and returns where."""
    while editor.auto:
        auto = editor.auto[-1]
        if not (auto.startswith("\n") and text.startswith(auto, at)):
            break
        if not editor.after.startswith(auto):
            break
        editor.step_over(len(auto))
        editor.auto.pop()
        at += len(auto)
    return at


def places(texts: Sequence[str], count: int, chars: int, seed: int) -> list[tuple[str, int, int]]:
    """Returns ``count`` stretches of about ``chars`` characters, whole lines, one text in turn."""
    rng = random.Random(seed)
    found: list[tuple[str, int, int]] = []
    order = [text for text in texts if len(text) > 4 * chars]
    rng.shuffle(order)
    for idx in range(count):
        text = order[idx % len(order)]
        start = text.find("\n", rng.randrange(len(text) - 2 * chars)) + 1
        end = text.rfind("\n", start, start + chars)
        found.append((text, start, max(end, start + 1)))
    return found
