"""What changes scores before the choice, in TGI's order: watermark, bias, penalties.

Called by `sampling`; every function returns new scores and leaves its argument alone.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from midfill_engine.exec.logprobs import Floats, Ids
from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.exec.watermark import green_half

_GREEN_BIAS = 2.0
"""TGI's and transformers' constant."""
_LARGEST = 1e30
"""Bound of changed scores; sums and differences of such still fit float32."""


def rescore(
    scores: Floats,
    params: SamplingParams,
    prompt_ids: Sequence[int],
    generated_ids: Sequence[int],
) -> Floats:
    """Returns the scores that the choice is made from."""
    scores = scores.copy()
    if params.watermark:
        before = generated_ids[-1] if generated_ids else prompt_ids[-1]
        scores[green_half(before, len(scores))] += np.float32(_GREEN_BIAS)
    if params.logit_bias:
        ids, added = _biases(params.logit_bias)
        scores[ids] = np.clip(scores[ids] + added, -_LARGEST, _LARGEST)
    _penalise(scores, params, prompt_ids, generated_ids)
    return scores


@functools.lru_cache(maxsize=8)
def _biases(logit_bias: tuple[tuple[int, float], ...]) -> tuple[Ids, Floats]:
    """The ids, each once, and what is added to them."""
    ids, added = zip(*logit_bias, strict=True)
    return np.array(ids, dtype=np.int64), np.array(added, dtype=np.float32)


def _penalise(
    scores: Floats,
    params: SamplingParams,
    prompt_ids: Sequence[int],
    generated_ids: Sequence[int],
) -> None:
    """Repetition: positive scores are divided, negative ones multiplied (arXiv:1909.05858).

    An extreme penalty takes a score to the bound, not to infinity, which would end as NaN.
    """
    generated = np.asarray(generated_ids, dtype=np.int64)
    if params.repetition_penalty != 1.0:
        seen = np.unique(np.concatenate((np.asarray(prompt_ids, dtype=np.int64), generated)))
        old = scores[seen]
        penalty = min(max(params.repetition_penalty, 1 / _LARGEST), _LARGEST)
        factor = np.where(old < 0, penalty, 1 / penalty)
        scores[seen] = np.clip(old * factor, -_LARGEST, _LARGEST)
    if len(generated) and (params.frequency_penalty != 0.0 or params.presence_penalty != 0.0):
        ids, counts = np.unique(generated, return_counts=True)
        penalties = counts * params.frequency_penalty + params.presence_penalty
        scores[ids] -= penalties.astype(np.float32)
