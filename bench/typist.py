"""A person who writes a piece of a real file: what is typed when, and which suggestions are taken.

Seeded by place: the rhythm, the mistakes and the wish to accept at a character hang on the trace's
seed and that character alone, so that two servers meet the same person. Letters come in bursts,
with more time before a word or a sign and thinking at the starts of lines; letters go wrong and
are taken back; now and then the person fixes something lines above, or undoes what was accepted.
The median gap within words is that of fast typists among the 168,000 of Dhakal et al., CHI 2018.
Called by ``bench.replay``; knows no language server.
"""

from __future__ import annotations

import random
import re
import string
from collections import deque
from dataclasses import dataclass
from typing import Literal

from bench.traces import WRONG_RATE, Editor, next_piece, step_over_block

Kind = Literal["text", "newline", "wrong", "backspace", "jump", "undo"]
ACCEPT_RATE = 0.75
GLANCE_RATE = 0.08
UNDO_RATE = 0.08
THINK_RATE = 0.5
_GAPS_S: dict[str, tuple[float, float]] = {
    # median and sigma of a log-normal
    "letter": (0.12, 0.35),
    "sign": (0.22, 0.45),
    "newline": (0.25, 0.4),
    "line start": (0.3, 0.4),
    "thinking": (1.1, 0.6),
    "noticing": (0.45, 0.3),
    "backspace": (0.12, 0.25),
    "jump": (0.8, 0.4),
    "reading": (0.45, 0.3),
}
_LONGEST_GAP_S = 4.0
_WORD = re.compile(r"\s*(\w+|[^\w\s]+)")
Take = Literal["whole", "line", "word"]


@dataclass(frozen=True, slots=True)
class Move:
    """What the person does next, and how long after the move before."""

    kind: Kind
    piece: str
    gap_s: float


@dataclass(frozen=True, slots=True)
class Ghost:
    """A suggestion on the screen: ``text`` would replace ``rest_len`` characters behind."""

    text: str
    rest_len: int = 0


@dataclass(frozen=True, slots=True)
class Accept:
    """How much of a suggestion is taken, and after how long a look."""

    take: Take
    text: str
    rest_len: int
    reading_s: float


class Typist:
    """Writes ``text[start:end]`` between what stands around it."""

    def __init__(self, text: str, start: int, end: int, seed: str) -> None:
        """Puts the cursor at the start."""
        self.editor = Editor(text[:start], text[end:])
        self._text, self._end, self._seed = text, end, seed
        self._at = start
        self._pending: deque[Move] = deque()
        self._decided: set[int] = set()
        self._undo: tuple[str, str, list[str], int] | None = None

    def plan(self) -> Move | None:
        """Returns the next move, None at the end."""
        if not self._pending:
            if self._at >= self._end:
                return None
            self._decide()
        return self._pending[0]

    def do(self, move: Move) -> None:
        """Makes the planned move."""
        assert move is self._pending.popleft()
        if move.kind == "undo":
            assert self._undo is not None
            self.editor.before, self.editor.after, self.editor.auto, self._at = self._undo
        elif move.kind == "backspace":
            self.editor.erase()
        elif move.kind == "jump":
            self._jump(int(move.piece))
        elif move.kind == "wrong":
            self.editor.write(move.piece)
        else:
            self.editor.write(move.piece)
            self._at += len(move.piece)
            self._at = step_over_block(self._text[: self._end], self._at, self.editor)

    def choose(self, ghost: Ghost) -> Accept | None:
        """Returns what of a suggestion is worth taking: what the person wanted to write anyway."""
        if self._pending and self._pending[0].kind in {"backspace", "jump", "undo", "wrong"}:
            return None
        rng = self._rng("accept")
        if rng.random() > ACCEPT_RATE:
            return None
        reading_s = _gap("reading", rng)
        line = ghost.text[: ghost.text.find("\n", 1)] if "\n" in ghost.text[1:] else ""
        word = _WORD.match(ghost.text)
        parts: dict[Take, str] = {"whole": ghost.text}
        if not ghost.rest_len:
            parts |= {"line": line, "word": word[0] if word else ""}
        for take, text in parts.items():
            if len(text.strip()) > 1 and self._is_wanted(text):
                return Accept(take, text, ghost.rest_len, reading_s)
        return None

    def accept(self, accept: Accept) -> None:
        """Takes a suggestion, or a part of it."""
        editor = self.editor
        self._undo = (editor.before, editor.after, list(editor.auto), self._at)
        consumed = editor.after[: accept.rest_len]
        while editor.auto and consumed.startswith(editor.auto[-1]):
            consumed = consumed[len(editor.auto.pop()) :]
        editor.before += accept.text
        editor.after = editor.after[accept.rest_len :]
        self._at += len(accept.text)
        self._pending.clear()
        if self._rng("undo").random() < UNDO_RATE and self._at not in self._decided:
            self._decided.add(self._at)
            self._pending.append(Move("undo", "", _gap("thinking", self._rng("undo gap"))))

    def _is_wanted(self, text: str) -> bool:
        stop = self._at + len(text)
        return stop <= self._end and self._text.startswith(text, self._at)

    def _decide(self) -> None:
        """Plans the next piece, with what goes wrong before it."""
        rng, piece = self._rng("type"), next_piece(self._text[: self._end], self._at)
        first = self._at not in self._decided
        self._decided.add(self._at)
        if first and piece.isalpha() and rng.random() < WRONG_RATE:
            self._mistype(rng)
        if first and piece.startswith("\n") and rng.random() < GLANCE_RATE:
            self._glance(rng)
        kind: Kind = "newline" if piece.startswith("\n") else "text"
        self._pending.append(Move(kind, piece, _gap(self._pause(piece, rng), rng)))

    def _pause(self, piece: str, rng: random.Random) -> str:
        line = self.editor.before[self.editor.before.rfind("\n") + 1 :]
        if not line.strip():
            return "thinking" if rng.random() < THINK_RATE else "line start"
        if piece.startswith("\n"):
            return "newline"
        return "letter" if piece.isalnum() and line[-1:].isalnum() else "sign"

    def _mistype(self, rng: random.Random) -> None:
        count = rng.randint(1, 3)
        for _ in range(count):
            letter = rng.choice(string.ascii_lowercase)
            self._pending.append(Move("wrong", letter, _gap("letter", rng)))
        for idx in range(count):
            gap = "backspace" if idx else "noticing"
            self._pending.append(Move("backspace", "", _gap(gap, rng)))

    def _glance(self, rng: random.Random) -> None:
        """Plans a correction one to three lines above: a letter, taken back, and the way back."""
        lines = self.editor.before.split("\n")
        num_up = min(rng.randint(1, 3), len(lines) - 1)
        if not num_up:
            return
        back = sum(len(line) + 1 for line in lines[-num_up:])
        self._pending.append(Move("jump", str(-back), _gap("jump", rng)))
        self._pending.append(Move("wrong", "x", _gap("sign", rng)))
        self._pending.append(Move("backspace", "", _gap("noticing", rng)))
        self._pending.append(Move("jump", str(back), _gap("jump", rng)))

    def _jump(self, chars: int) -> None:
        editor = self.editor
        if chars > 0:
            editor.step_over(chars)
        else:
            text, at = editor.before + editor.after, len(editor.before) + chars
            editor.before, editor.after = text[:at], text[at:]

    def _rng(self, purpose: str) -> random.Random:
        return random.Random(f"{self._seed}/{purpose}/{self._at}")


def _gap(name: str, rng: random.Random) -> float:
    median, sigma = _GAPS_S[name]
    return min(_LONGEST_GAP_S, median * rng.lognormvariate(0, sigma))
