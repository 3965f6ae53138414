"""Cuts a real file as somebody who types would have it, so that the right answer is known.

    rest        def area(self):█                  the line's rest is gone
    hole        print(█, end="")                  something within a line is gone
    closed      print(█)                          as rest, and the editor has closed the brackets
    block       def area(self):█                  the whole block below a line is gone
    beginning   for item in items:█ ...           its first lines are gone, the others there

Pure; called by `bench.remainders`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["rest", "hole", "closed", "block", "beginning"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_BOUNDS = re.compile(r"(?<!\w)(?=\w)|(?<=\w)(?!\w)|(?<=\W)(?=\W)")
_MOST_CHARS = 300
_MOST_LINES = 20
_BEHIND = 12
"""Lines of the file that a model would go on with."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A cursor in a file.

    Attributes:
        kind: see above.
        prefix: text before the cursor.
        suffix: text behind it.
        answer: what a model that knows the file says, going on behind what is missing.
        expected: what is missing.
    """

    kind: Kind
    prefix: str
    suffix: str
    answer: str
    expected: str


def cuts(text: str, count: int, rng: random.Random) -> Iterator[Cut]:
    """Yields up to `count` cuts of a text with LF line ends."""
    lines = text.split("\n")
    places = [idx for idx, line in enumerate(lines) if line.strip() and len(line) < _MOST_CHARS]
    for _ in range(count if places else 0):
        made = _cut(lines, rng.choice(places), rng.choice(KINDS), rng)
        if made is not None:
            yield made


def closers_of(head: str) -> str:
    """Returns what an editor has closed behind `head`: its open quote, then its brackets."""
    opened: list[str] = []
    quote, idx = "", 0
    while idx < len(head):
        char = head[idx]
        if quote:
            if char == "\\":
                idx += 1
            elif char == quote:
                quote = ""
        elif char in '"`' or (char == "'" and not head[max(0, idx - 1) : idx].isalnum()):
            quote = char
        elif char in _CLOSERS:
            opened.append(_CLOSERS[char])
        elif opened and char == opened[-1]:
            opened.pop()
        idx += 1
    return quote + "".join(reversed(opened))


def _cut(lines: Sequence[str], idx: int, kind: Kind, rng: random.Random) -> Cut | None:
    line = lines[idx]
    above = "".join(f"{each}\n" for each in lines[:idx])
    below = "".join(f"\n{each}" for each in lines[idx + 1 :])
    follows = "".join(f"\n{each}" for each in lines[idx + 1 : idx + 1 + _BEHIND])
    if kind in {"block", "beginning"}:
        return _block(lines, idx, kind, rng)
    bounds = [match.start() for match in _BOUNDS.finditer(line) if match.start() >= _indent(line)]
    if not bounds:
        return None
    start = rng.choice(bounds)
    if kind == "hole":
        ends = [bound for bound in bounds if start < bound < len(line)]
        if not ends:
            return None
        end = rng.choice(ends)
        answer = line[start:] + follows if rng.random() < 0.6 else line[start:end]
        return Cut(kind, above + line[:start], line[end:] + below, answer, line[start:end])
    closers = closers_of(line[:start]) if kind == "closed" else ""
    if start == len(line) or (kind == "closed" and not closers):
        return None
    return Cut(kind, above + line[:start], closers + below, line[start:] + follows, line[start:])


def _block(lines: Sequence[str], idx: int, kind: Kind, rng: random.Random) -> Cut | None:
    """Cuts below a line; the cursor is behind it, or behind the next one's indentation."""
    end = idx + 1
    while end < len(lines) and (
        not lines[end].strip() or _indent(lines[end]) > _indent(lines[idx])
    ):
        end += 1
    while end > idx + 1 and not lines[end - 1].strip():
        end -= 1
    body = lines[idx + 1 : end]
    if not 1 < len(body) < _MOST_LINES or not body[0].strip():
        return None
    above = "".join(f"{each}\n" for each in lines[:idx]) + lines[idx]
    if kind == "beginning":
        if len(body) == 2:
            return None
        gone = rng.randrange(1, len(body) - 1)
        body, end = body[:gone], idx + 1 + gone
    below = "".join(f"\n{each}" for each in lines[end:])
    answer = "".join(f"\n{each}" for each in lines[idx + 1 : end + _BEHIND])
    expected = "".join(f"\n{each}" for each in body)
    if kind == "beginning" or rng.random() < 0.5:
        skipped = 1 + _indent(body[0])
        return Cut(kind, above + answer[:skipped], below, answer[skipped:], expected[skipped:])
    return Cut(kind, above, below, answer, expected)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
