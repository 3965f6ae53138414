"""Bits per byte of the true middle, given the prompt: how surprised a model is, all text counted.

Teacher-forced, without the end of the middle. Healed, the tokens are those of the taken-back text
and the middle together, and each that repeats is normalised over the ids that may repeat. One
tokenisation counts, so a model's own figure could only be lower. Called by ``bench.quality``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from training.reference import Prompt, Reference, Vocabulary

from bench.backends import Variant, as_texts
from bench.cases import Case
from bench.scores import Floats, Measure

BATCH_TOKENS = 4096
"""Positions of a batch, padding included; larger ones were no faster on two cores."""


@dataclass(frozen=True, slots=True)
class Target:
    """The middle as ids, and how many bytes of it they are.

    ``num_bytes`` counts no repeated text; long middles are cut.
    """

    ids: list[int]
    num_bytes: int


def target(vocabulary: Vocabulary, case: Case, must: bytes, num_predict: int) -> Target:
    """Returns the ids that spell ``must`` and the middle, at most ``num_predict``."""
    ids = vocabulary.encode(must.decode() + case.expected)[:num_predict]
    num_bytes = sum(len(vocabulary.pieces[idx]) for idx in ids) - len(must)
    return Target(ids, max(num_bytes, 1))


def model_bits(
    reference: Reference,
    cases: Sequence[Case],
    variant: Variant,
    num_predict: int,
    row: str | None = None,
) -> Measure:
    """Returns the bits per byte of a model asked as ``variant``, with ``row``'s other files."""
    work: list[tuple[Prompt, Target]] = []
    for case in cases:
        prompt = reference.prompt(
            case.prefix, case.suffix, variant.order, num_predict, variant.heal,
            as_texts(case.others[row]) if row else (),
        )  # fmt: skip
        work.append((prompt, target(reference.vocabulary, case, prompt.must, num_predict)))
    order = sorted(range(len(work)), key=lambda idx: row_len(*work[idx]))
    bits = np.zeros(len(work))
    while order:
        widest = row_len(*work[order[-1]])
        batch = order[-max(1, BATCH_TOKENS // widest) :]
        del order[-len(batch) :]
        bits[batch] = batch_bits(reference, [work[idx] for idx in batch])
    return measure(cases, bits, [goal.num_bytes for _, goal in work])


def measure(cases: Sequence[Case], bits: Sequence[float] | Floats, sizes: Sequence[int]) -> Measure:
    """Returns bits and bytes of each case as a ratio of sums."""
    return Measure(
        np.asarray(bits, dtype=np.float64),
        np.asarray(sizes, dtype=np.float64),
        tuple(case.cluster for case in cases),
        higher_is_better=False,
    )


def row_len(prompt: Prompt, goal: Target) -> int:
    """Returns the positions that one case fills."""
    return len(prompt.ids) + len(goal.ids)


@torch.inference_mode()
def batch_bits(reference: Reference, work: Sequence[tuple[Prompt, Target]]) -> list[float]:
    """Returns the bits of each target; rows are padded on the right, where no one looks."""
    ids = torch.zeros((len(work), max(row_len(*each) for each in work)), dtype=torch.int64)
    for row, (prompt, goal) in enumerate(work):
        ids[row, : row_len(prompt, goal)] = torch.tensor([*prompt.ids, *goal.ids])
    hidden = reference.model.model(input_ids=ids).last_hidden_state  # [B, T, hidden]
    bits: list[float] = []
    for row, (prompt, goal) in enumerate(work):
        first = len(prompt.ids) - 1
        logits: Tensor = reference.model.lm_head(hidden[row, first : first + len(goal.ids)])
        bits.append(target_bits(reference.vocabulary, logits.float(), goal.ids, prompt.must))
    return bits


def target_bits(vocabulary: Vocabulary, logits: Tensor, ids: Sequence[int], must: bytes) -> float:
    """Returns -log2 of the chance of ``ids``, which repeat ``must``, under ``logits`` [T, V]."""
    total = 0.0
    for row, idx in zip(logits, ids, strict=True):
        kept = row
        if must:
            allowed = torch.tensor(vocabulary.allowed(must))
            kept = row[allowed]
            must = must[len(vocabulary.pieces[idx]) :]
        total += float(torch.logsumexp(kept, 0) - row[idx]) / math.log(2)
    return total
