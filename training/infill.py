"""Turns source text into training examples: where the middle is cut, in which order it is told.

Formats, as ids (the engine builds the same prompts):

    PSM  <s> ▁<PRE> {prefix} ▁<SUF> {suffix} ▁<MID> {middle} ▁<EOT>
    SPM  <s> ▁<PRE> ▁<SUF> {suffix} ▁<MID> {prefix}{middle} ▁<EOT>

Prefix, suffix and middle are encoded separately, since an editor's cursor stands inside tokens.
Sources: Bavarian et al. 2022 (infilling), Code Llama (Roziere et al. 2023) for the formats.
Called by ``training.batches``; knows no tensors.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

Encode = Callable[[str], list[int]]

CHARS_PER_TOKEN = 3.3
"""Only sizes the text window; what is too long in tokens is cut afterwards."""


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Ids of the special tokens."""

    bos: int
    eos: int
    pre: int
    suf: int
    mid: int
    eot: int


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the kinds of example."""

    infill: float = 0.8
    spm: float = 0.5
    rest_of_line: float = 0.62
    whole_lines: float = 0.12
    block: float = 0.12
    no_suffix: float = 0.08
    full_row: float = 0.4
    middle_weight: float = 3.0
    recut_chars: float = 220.0


LATE_MIX = Mix(
    infill=0.9, spm=0.85, rest_of_line=0.7, whole_lines=0.1, block=0.1, full_row=0.25,
    middle_weight=6.0, recut_chars=90.0,
)  # fmt: skip
"""While the rate decays: more middles, closer to what editors ask. At 6.4 M tokens of the first
mix the first token of a middle cost 6.7 nats with the prefix first, 4.4 with the suffix first
(docs/log.md), so middles were too few."""


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids and, for each, its weight in the loss when it is the one to predict."""

    ids: list[int]
    weights: list[float]


def middle_span(text: str, rng: random.Random, mix: Mix) -> tuple[int, int]:
    """Returns ``[start, end)`` of the middle, in code points.

    Mostly the rest of a line from a random character, sometimes whole lines, a block by
    indentation, or any characters.
    """
    kind = rng.random()
    if kind < mix.rest_of_line:
        return rest_of_line(text, rng)
    if kind < mix.rest_of_line + mix.whole_lines:
        return whole_lines(text, rng)
    if kind < mix.rest_of_line + mix.whole_lines + mix.block:
        return block(text, rng)
    start = rng.randrange(len(text))
    return start, min(len(text), start + 1 + int(rng.expovariate(1 / 60)))


def rest_of_line(text: str, rng: random.Random) -> tuple[int, int]:
    """Returns a span from a character of a line that is not blank to the line's end."""
    for _ in range(20):
        start, end = line_at(text, rng.randrange(len(text)))
        first = end - len(text[start:end].lstrip())
        if first < end:
            return (first if rng.random() < 0.1 else rng.randrange(first, end)), end
    return len(text), len(text)


def whole_lines(text: str, rng: random.Random) -> tuple[int, int]:
    """Returns a span of one to four lines, from the first one's indentation on."""
    start, end = line_at(text, rng.randrange(len(text)))
    first = start + len(text[start:end]) - len(text[start:end].lstrip(" \t"))
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        end = line_at(text, min(end + 1, len(text)))[1]
    return (first if rng.random() < 0.7 else start), end


def block(text: str, rng: random.Random) -> tuple[int, int]:
    """Returns a span from inside a line to the end of the block that this line opens."""
    start, end = line_at(text, rng.randrange(len(text)))
    indent = indent_of(text[start:end])
    cut = rng.randint(start + indent, end)
    for _ in range(8):
        follow_start, follow_end = line_at(text, min(end + 1, len(text)))
        line = text[follow_start:follow_end]
        if follow_start <= end or not line.strip() or indent_of(line) < indent:
            break
        end = follow_end
    return cut, end


def line_at(text: str, offset: int) -> tuple[int, int]:
    """Returns ``[start, end)`` of the line that holds ``offset``, without its line end."""
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    return start, len(text) if end < 0 else end


def indent_of(line: str) -> int:
    """Returns how many blanks the line starts with."""
    return len(line) - len(line.lstrip(" \t"))


def infill(
    text: str, budget: int, encode: Encode, sentinels: Sentinels, rng: random.Random, mix: Mix
) -> Example:
    """Returns one infill example of at most ``budget`` tokens, windowed around the middle."""
    start, end = middle_span(text, rng, mix)
    middle = encode(text[start:end])[: max(8, budget // 4)]
    closed = len(encode(text[start:end])) == len(middle)
    room = budget - len(middle) - 6
    suffix_room = 0 if rng.random() < mix.no_suffix else int(room * rng.uniform(0.1, 0.4))
    suffix_text = text[end : end + int(suffix_room * CHARS_PER_TOKEN * 1.3)]
    suffix = recut(suffix_text, encode, rng, mix.recut_chars)[:suffix_room]
    prefix_room = room - len(suffix)
    prefix_text = text[max(0, start - int(prefix_room * CHARS_PER_TOKEN * 1.3)) : start]
    prefix = recut(prefix_text, encode, rng, mix.recut_chars)[-prefix_room:]
    s = sentinels
    if rng.random() < mix.spm:
        head, body = [s.bos, s.pre, s.suf, *suffix, s.mid], prefix
    else:
        head, body = [s.bos, s.pre, *prefix, s.suf, *suffix, s.mid], []
    tail = [*middle, s.eot] if closed else middle
    ids = [*head, *body, *tail]
    known = {s.bos, s.pre, s.suf, s.mid}
    weights = [0.0 if idx in known else 1.0 for idx in [*head, *body]]
    return Example(ids, weights + [mix.middle_weight] * len(tail))


def plain(
    text: str, budget: int, encode: Encode, sentinels: Sentinels, rng: random.Random, mix: Mix
) -> Example:
    """Returns one left-to-right example, from a line start, of at most ``budget`` tokens."""
    size = int(budget * CHARS_PER_TOKEN * 1.3)
    start = 0
    if len(text) > size // 2 and rng.random() < 0.8:
        start = line_at(text, rng.randrange(max(1, len(text) - size // 2)))[0]
    body = recut(text[start : start + size], encode, rng, mix.recut_chars)
    ids = [sentinels.bos, *body]
    if start + size >= len(text):
        ids.append(sentinels.eos)
    ids = ids[:budget]
    return Example(ids, [0.0] + [1.0] * (len(ids) - 1))


def recut(text: str, encode: Encode, rng: random.Random, mean_chars: float) -> list[int]:
    """Encodes ``text`` in pieces that break at random characters, ``mean_chars`` apart.

    Pieces break inside words, so the model meets far more half tokens than the one at the cursor.
    """
    ids: list[int] = []
    start = 0
    while start < len(text):
        end = start + 1 + int(rng.expovariate(1 / mean_chars))
        ids += encode(text[start:end])
        start = end
    return ids
