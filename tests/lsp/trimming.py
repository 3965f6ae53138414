"""What the trim's tests share: a case, and how it is fed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from midfill_lsp.syntax import Grammars
from midfill_lsp.trim import Trimmer, TrimResult, describe

GRAMMARS = Grammars()


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


def trimmed(language_id: str, document: str, written: str, cut_short: bool = False) -> TrimResult:
    """Return what comes of text that nobody saw grow; grown, it is only ever extended."""
    prefix, suffix = document.split("█")
    context = describe(prefix, suffix, language_id, grammar=GRAMMARS.load(language_id))
    growing, shown = Trimmer(context), ""
    for char in written:
        step = growing.feed(char)
        assert step.text.startswith(shown), "shown text was taken back"
        shown = step.text
    assert growing.finish(cut_short).text.startswith(shown), "shown text was taken back"
    trimmer = Trimmer(context, is_shown=False)
    trimmer.feed(written)
    return trimmer.finish(cut_short)
