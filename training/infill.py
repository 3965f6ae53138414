"""Turns source text into training examples: what is shown, in which order, what counts.

Formats, as ids (the engine builds the same prompts):

    PSM  <s> ▁<PRE> {prefix} ▁<SUF> {suffix} ▁<MID> {middle} ▁<EOT>
    SPM  <s> ▁<PRE> ▁<SUF> {suffix} ▁<MID> {prefix}{middle} ▁<EOT>

Most prefixes end at a token's end, as a healed prompt's does (``engine/midfill_engine/text/heal``);
the others are cut where the cursor stands, inside tokens. Sources: Bavarian et al. 2022
(infilling), Code Llama (Roziere et al. 2023) for the formats. Called by ``training.batches``; knows
no tensors.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from training.spans import SpanShares, line_at, middle_span

Encode = Callable[[str], tuple[list[int], list[int]]]
"""Text -> ids, and the code point at which each begins."""

CHARS_PER_TOKEN = 3.3
"""Only sizes the text window; what is too long in tokens is cut afterwards."""

NUM_SENTINELS = 5
COMMENTS = {"c": "//", "cpp": "//", "javascript": "//", "typescript": "//", "markdown": "#"}


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
    """Shares of the kinds of example.

    Attributes:
        infill: examples with a middle; the others read from left to right.
        spm: of those, suffix first.
        line_start: of the prefix-first ones, whose middle begins where its line does, as
            llama.vim sends it: the line so far stands behind the middle sentinel.
        healed: prefix and middle are encoded together and parted between tokens.
        no_suffix: nothing behind the cursor.
        header: a comment with the file's path stands first.
        recut: texts encoded in pieces that break at random characters, ``recut_chars`` apart.
        middle_weight: weight of a middle's token in the loss; all other text has 1.
        suffix_sentinel_weight: prefix first, the suffix sentinel is taught to foresee the middle's
            first token. It stands behind the prefix, so this is the next token in the document,
            and the middle sentinel need only look it up.
    """

    infill: float = 0.85
    spm: float = 0.5
    line_start: float = 0.5
    healed: float = 0.75
    no_suffix: float = 0.08
    header: float = 0.25
    recut: float = 0.15
    recut_chars: float = 150.0
    middle_weight: float = 4.0
    suffix_sentinel_weight: float = 2.0
    spans: SpanShares = field(default_factory=SpanShares)


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids; for each position what is to be predicted as the token there, and its weight.

    ``targets`` are the ids but for the token behind a suffix sentinel (see ``Mix``).
    """

    ids: list[int]
    targets: list[int]
    weights: list[float]


@dataclass(frozen=True, slots=True)
class Document:
    """A file of the corpus."""

    path: str
    language: str
    text: str


def infill(
    doc: Document, budget: int, encode: Encode, sentinels: Sentinels, rng: random.Random, mix: Mix
) -> Example:
    """Returns one infill example of at most ``budget`` tokens, windowed around the middle."""
    s, text = sentinels, doc.text
    start, end = middle_span(text, doc.language, rng, mix.spans)
    suffix_first = rng.random() < mix.spm
    if not suffix_first and rng.random() < mix.line_start:
        start = line_at(text, start)[0]
    head = encode(header(doc))[0] if rng.random() < mix.header else []
    window = int((budget - len(head)) * CHARS_PER_TOKEN * 1.3)
    prefix, middle = part(text[max(0, start - window) : start], text[start:end], encode, rng, mix)
    limit = max(8, budget // 4)
    closed, middle = len(middle) <= limit, middle[:limit]
    room = budget - len(middle) - len(head) - NUM_SENTINELS
    suffix = [] if rng.random() < mix.no_suffix else encode(text[end : end + window])[0]
    suffix = suffix[: max(int(room * rng.uniform(0.1, 0.4)), room - len(prefix))]
    prefix = [*head, *prefix[max(0, len(prefix) - room + len(suffix)) :]]
    tail = [*middle, s.eot] if closed else middle
    if suffix_first:
        ids = [s.bos, s.pre, s.suf, *suffix, s.mid, *prefix]
    else:
        ids = [s.bos, s.pre, *prefix, s.suf, *suffix, s.mid]
    given = {s.bos, s.pre, s.suf, s.mid}
    weights = [0.0 if idx in given else 1.0 for idx in ids] + [mix.middle_weight] * len(tail)
    targets = [*ids, *tail]
    if not suffix_first and suffix:
        behind = len(prefix) + 3
        targets[behind], weights[behind] = tail[0], mix.suffix_sentinel_weight
    return Example([*ids, *tail], targets, weights)


def part(
    before: str, middle: str, encode: Encode, rng: random.Random, mix: Mix
) -> tuple[list[int], list[int]]:
    """Returns the ids of the text before the cursor and of the middle.

    Healed, the token that the cursor stands in belongs to the middle, and half of the time one
    that ends at the cursor: the engine takes the last token back without knowing.
    """
    if rng.random() >= mix.healed:
        return recut(before, encode, rng, mix), encode(middle)[0]
    ids, starts = encode(before + middle)
    cut = len(before)
    num_before = sum(start < cut for start in starts)
    inside = num_before == len(starts) or starts[num_before] > cut
    if num_before and (inside or rng.random() < 0.5):
        num_before -= 1
    return ids[:num_before], ids[num_before:]


def plain(
    doc: Document, budget: int, encode: Encode, sentinels: Sentinels, rng: random.Random, mix: Mix
) -> Example:
    """Returns one left-to-right example, from a line start, of at most ``budget`` tokens."""
    text = doc.text
    size = int(budget * CHARS_PER_TOKEN * 1.3)
    start = 0
    if len(text) > size // 2 and rng.random() < 0.8:
        start = line_at(text, rng.randrange(max(1, len(text) - size // 2)))[0]
    head = encode(header(doc))[0] if rng.random() < mix.header else []
    ids = [sentinels.bos, *head, *recut(text[start : start + size], encode, rng, mix)]
    if start + size >= len(text):
        ids.append(sentinels.eos)
    ids = ids[:budget]
    return Example(ids, ids, [0.0] + [1.0] * (len(ids) - 1))


def header(doc: Document) -> str:
    """Returns the comment line that names a document's path in its own language."""
    return f"{COMMENTS.get(doc.language, '#')} {doc.path}\n"


def recut(text: str, encode: Encode, rng: random.Random, mix: Mix) -> list[int]:
    """Encodes ``text``, some texts in pieces that break at random characters.

    Pieces break inside words, so the model meets more half tokens than the one at the cursor.
    """
    if rng.random() >= mix.recut:
        return encode(text)[0]
    ids: list[int] = []
    start = 0
    while start < len(text):
        end = start + 1 + int(rng.expovariate(1 / mix.recut_chars))
        ids += encode(text[start:end])[0]
        start = end
    return ids
