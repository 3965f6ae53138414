"""An endless, seeded stream of token batches: examples drawn, packed, cut into rows.

The stream's whole state is a step number and a mix, so a resumed run goes on with the same batches.
Called by ``training.train``.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from training.infill import Encode, Example, Mix, Sentinels, infill, plain


@dataclass(frozen=True, slots=True)
class Stream:
    """Draws batches from the texts; longer texts are drawn more often, sub-linearly."""

    texts: list[str]
    tokenizer: Tokenizer
    num_rows: int
    row_len: int
    seed: int = 0

    def batch(self, step: int, mix: Mix) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Returns inputs [B, T] and targets [B, T] (int64) and weights [B, T] (float32)."""
        rng = random.Random(f"{self.seed}/{step}")
        sentinels = sentinels_of(self.tokenizer)
        encode = encoder(self.tokenizer)
        rows: list[list[int]] = []
        weights: list[list[float]] = []
        for _ in range(self.num_rows):
            row, weight = self._row(encode, sentinels, rng, mix)
            rows.append(row)
            weights.append(weight)
        ids = torch.tensor(rows, dtype=torch.int64)
        return ids[:, :-1], ids[:, 1:], torch.tensor(weights, dtype=torch.float32)[:, 1:]

    def _row(
        self, encode: Encode, sentinels: Sentinels, rng: random.Random, mix: Mix
    ) -> tuple[list[int], list[float]]:
        """Packs examples until ``row_len + 1`` tokens stand; the last one is made to fit."""
        ids: list[int] = []
        weights: list[float] = []
        while (room := self.row_len + 1 - len(ids)) > 0:
            if room < 48:
                return ids + [sentinels.eos] * room, weights + [0.0] * room
            budget = (
                room
                if rng.random() < mix.full_row
                else min(room, int(48 * (room / 48) ** rng.random()))
            )
            example = self._example(budget, encode, sentinels, rng, mix)
            ids += example.ids
            weights += example.weights
        return ids, weights

    def _example(
        self, budget: int, encode: Encode, sentinels: Sentinels, rng: random.Random, mix: Mix
    ) -> Example:
        text = self._text(rng)
        if rng.random() < mix.infill:
            return infill(text, budget, encode, sentinels, rng, mix)
        return plain(text, budget, encode, sentinels, rng, mix)

    def _text(self, rng: random.Random) -> str:
        """Draws a text with a chance that grows with its length up to 12,000 characters."""
        while True:
            text = rng.choice(self.texts)
            if rng.random() * 12_000 < len(text) + 1_000:
                return text


def sentinels_of(tokenizer: Tokenizer) -> Sentinels:
    """Returns the ids of the special tokens; asserts that the tokenizer has them all."""
    names = ("<s>", "</s>", "▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>")
    ids = [idx for name in names if (idx := tokenizer.token_to_id(name)) is not None]
    assert len(ids) == len(names)
    return Sentinels(*ids)


def encoder(tokenizer: Tokenizer) -> Encode:
    """Returns a function from text to ids that reads no special tokens out of the text."""

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    return encode
