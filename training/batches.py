"""An endless, seeded stream of token batches: one document a row, rows of one length a step.

No row holds two documents, so attention never crosses from one to another; short rows make steps
of many examples, long rows of few (Pouransari et al. 2024, arXiv 2405.13226). A batch depends on
the step number alone, so a resumed run goes on with the same batches, and workers may prepare
them in any order. Called by ``training.train``.
"""

from __future__ import annotations

import bisect
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from tokenizers import Tokenizer

from training.infill import (
    CHARS_PER_TOKEN,
    Document,
    Encode,
    Example,
    Mix,
    Sentinels,
    infill,
    plain,
)

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Inputs [B, T] and targets [B, T] (int64), weights [B, T] (float32)."""

FILL = 0.6
"""A document for a row has at least this share of the characters that fill the row."""


@dataclass(frozen=True, slots=True)
class Phase:
    """What is drawn during a part of the run.

    Attributes:
        row_lens: tokens of a row -> chance of such a step.
        mix: the kinds of example.
    """

    row_lens: Mapping[int, float]
    mix: Mix


@dataclass(frozen=True, slots=True)
class Shelf:
    """The documents of a language by rising length, and their lengths in characters."""

    docs: Sequence[Document]
    lens: Sequence[int]

    def draw(self, min_chars: int, rng: random.Random) -> Document:
        """Returns a document of at least ``min_chars``, or one of the longest sixteenth."""
        first = min(bisect.bisect_left(self.lens, min_chars), len(self.docs) * 15 // 16)
        return self.docs[rng.randrange(first, len(self.docs))]


def shelves(docs: Sequence[Document]) -> dict[str, Shelf]:
    """Returns the documents sorted by language and length."""
    found: dict[str, list[Document]] = {}
    for doc in docs:
        found.setdefault(doc.language, []).append(doc)
    for each in found.values():
        each.sort(key=lambda doc: (len(doc.text), doc.path))
    return {
        name: Shelf(each, [len(doc.text) for doc in each]) for name, each in sorted(found.items())
    }


@dataclass(frozen=True, slots=True)
class Stream:
    """Draws batches of ``step_tokens`` tokens from the shelves.

    Attributes:
        shares: language -> its share of the rows; one that is not named has none.
        phase_of: step -> what to draw.
    """

    shelves: Mapping[str, Shelf]
    shares: Mapping[str, float]
    tokenizer: Tokenizer
    step_tokens: int
    phase_of: Callable[[int], Phase]
    seed: int = 0
    languages: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        """Keeps the languages that have both documents and a share."""
        known = [name for name in self.shelves if self.shares.get(name, 0) > 0]
        if not known:
            raise ValueError(f"no documents of {', '.join(self.shares)}")
        object.__setattr__(self, "languages", known)

    def batch(self, step: int) -> Batch:
        """Returns the batch of ``step``."""
        rng = random.Random(f"{self.seed}/{step}")
        phase = self.phase_of(step)
        row_len = rng.choices(list(phase.row_lens), list(phase.row_lens.values()))[0]
        sentinels, encode = sentinels_of(self.tokenizer), offset_encoder(self.tokenizer)
        rows = [
            self._row(row_len, phase.mix, encode, sentinels, rng)
            for _ in range(max(1, self.step_tokens // row_len))
        ]
        ids = torch.tensor([row.ids for row in rows], dtype=torch.int64)
        targets = torch.tensor([row.targets for row in rows], dtype=torch.int64)
        weights = torch.tensor([row.weights for row in rows], dtype=torch.float32)
        return ids[:, :-1], targets[:, 1:], weights[:, 1:]

    def _row(
        self, row_len: int, mix: Mix, encode: Encode, sentinels: Sentinels, rng: random.Random
    ) -> Example:
        """Returns an example of ``row_len + 1`` positions, padded where its document is short."""
        weights = [self.shares[name] for name in self.languages]
        shelf = self.shelves[rng.choices(self.languages, weights)[0]]
        doc = shelf.draw(int(row_len * CHARS_PER_TOKEN * FILL), rng)
        make = infill if rng.random() < mix.infill else plain
        example = make(doc, row_len + 1, encode, sentinels, rng, mix)
        padding = row_len + 1 - len(example.ids)
        return Example(
            example.ids + [sentinels.eos] * padding,
            example.targets + [sentinels.eos] * padding,
            example.weights + [0.0] * padding,
        )


def sentinels_of(tokenizer: Tokenizer) -> Sentinels:
    """Returns the ids of the special tokens; asserts that the tokenizer has them all."""
    names = ("<s>", "</s>", "▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>")
    ids = [idx for name in names if (idx := tokenizer.token_to_id(name)) is not None]
    assert len(ids) == len(names)
    return Sentinels(*ids)


def encoder(tokenizer: Tokenizer) -> Callable[[str], list[int]]:
    """Returns a function from text to ids that reads no special tokens out of the text."""

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    return encode


def offset_encoder(tokenizer: Tokenizer) -> Encode:
    """Returns ``encoder``'s function with the code point at which each token begins."""

    def encode(text: str) -> tuple[list[int], list[int]]:
        encoding = tokenizer.encode(text, add_special_tokens=False)
        return encoding.ids, [start for start, _ in encoding.offsets]

    return encode
