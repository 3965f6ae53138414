"""What the trim's tests share: a case, and how it is fed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from midfill_lsp.trim import Trimmer, TrimResult, describe


@dataclass(frozen=True)
class Case:
    """A document with its cursor, what the backend writes, and what is to be inserted."""

    language: str
    document: str
    written: str
    inserted: str
    replaces_rest: bool = False
    mode: Literal["auto", "line", "block"] = "auto"


def trim(case: Case, pieces: list[str]) -> TrimResult:
    prefix, suffix = case.document.split("█")
    trimmer = Trimmer(describe(prefix, suffix, case.language, case.mode))
    shown = ""
    for piece in pieces:
        step = trimmer.feed(piece)
        assert step.text.startswith(shown), "text that was shown was taken back"
        shown = step.text
        if step.done:
            break
    result = trimmer.finish()
    assert result.text.startswith(shown), "text that was shown was taken back"
    return result


def in_pieces(text: str, seed: int) -> list[str]:
    rng = random.Random(seed)
    pieces: list[str] = []
    while text:
        size = rng.randrange(1, 9)
        pieces.append(text[:size])
        text = text[size:]
    return pieces
