"""Choosing the next token from logits, in the order of TGI's processors.

Repetition penalty, frequency penalty, the constraint on which tokens may come (ours, not TGI's),
temperature, top-k, top-p, then the draw. Called by `runner`
(and later by speculation, once per position). The draw depends on (seed, position) and the logits
alone: not on the batch, not on what was drawn before. So a draft can be verified without loss.

Everything but plain greedy choice runs on the host in a fixed order (token ids ascending), in
float64 where probabilities are summed, so that the same logits give the same token on any device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import torch

from midfill_engine.errors import EngineError
from midfill_engine.exec.sampling_params import SampledToken, SamplingParams
from midfill_engine.exec.work import Mask

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]


def sample(
    logits: torch.Tensor,
    params: SamplingParams,
    prompt_ids: Sequence[int],
    generated_ids: Sequence[int],
    position: int,
    allowed: Mask | None = None,
) -> SampledToken:
    """Returns the token at `position` and its log-probability.

    The log-probability is that of the distribution drawn from, after penalties, constraint,
    temperature, top-k and top-p, as TGI reports it (HeterogeneousNextTokenChooser takes
    log_softmax of the warped scores). Greedy choice takes the lowest id among equals.

    Args:
        logits: [V] float32 on any device.
        params: how to choose.
        prompt_ids: tokens that the repetition penalty covers.
        generated_ids: more of them; the frequency penalty counts these only.
        position: index of the chosen token in the sequence; keys the draw.
        allowed: which tokens may come, at least one; None: any.

    Raises:
        EngineError: the logits are not numbers (float16 overflowed, or the weights are broken).
    """
    plain = params.greedy and not _penalised(params) and allowed is None
    if plain and logits.device.type != "cpu":
        token = _greedy_on_device(logits)
        _check(token.logprob)
        return token
    # The decode step's one synchronisation with the device.
    scores: Floats = logits.cpu().numpy()
    _check(float(scores.max()))  # NaN if any is; a token may be ruled out by -inf, not all
    if _penalised(params):
        scores = _penalise(scores, params, prompt_ids, generated_ids)
    if allowed is not None:
        scores = _restrict(scores, allowed)
    if params.greedy:
        token_id = int(scores.argmax())
        return SampledToken(token_id, -_log_sum_exp(scores, scores[token_id]))
    ids, warped = _warp(scores, params)
    weights: Doubles = np.exp(warped - warped.max())
    choice = draw(weights, uniform(params.seed, position))
    logprob = float(np.log(weights[choice] / weights.sum()))
    return SampledToken(int(ids[choice]) if ids is not None else choice, logprob)


def uniform(seed: int, position: int) -> float:
    """Returns the draw's number in [0, 1): 53 bits of Philox (SC 2011) at (seed, position)."""
    generator = np.random.Philox(key=seed & (2**64 - 1), counter=position)
    return (int(generator.random_raw()) >> 11) * 2.0**-53


def draw(weights: Doubles, fraction: float) -> int:
    """Returns the first index whose running sum of `weights` exceeds `fraction` of the whole."""
    running: Doubles = np.cumsum(weights)
    index = int(running.searchsorted(fraction * float(running[-1]), side="right"))
    # Rounding may push the target up to the sum itself; the last index with weight is then meant.
    return index if index < len(weights) else int(np.flatnonzero(weights)[-1])


def _check(value: float) -> None:
    if not math.isfinite(value):
        raise EngineError("the model's logits are not numbers; try --dtype float32")


def _penalised(params: SamplingParams) -> bool:
    return params.repetition_penalty != 1.0 or params.frequency_penalty != 0.0


def _penalise(
    scores: Floats,
    params: SamplingParams,
    prompt_ids: Sequence[int],
    generated_ids: Sequence[int],
) -> Floats:
    """Repetition: positive scores are divided, negative ones multiplied (arXiv:1909.05858).

    An extreme penalty takes a score to the bound, not to infinity, which would end as NaN.
    """
    scores = scores.copy()
    generated = np.asarray(generated_ids, dtype=np.int64)
    if params.repetition_penalty != 1.0:
        seen = np.unique(np.concatenate((np.asarray(prompt_ids, dtype=np.int64), generated)))
        old = scores[seen]
        penalty = min(max(params.repetition_penalty, 1 / _LARGEST), _LARGEST)
        factor = np.where(old < 0, penalty, 1 / penalty)
        scores[seen] = np.clip(old * factor, -_LARGEST, _LARGEST)
    if params.frequency_penalty != 0.0 and len(generated):
        ids, counts = np.unique(generated, return_counts=True)
        scores[ids] -= (counts * params.frequency_penalty).astype(np.float32)
    return scores


def _restrict(scores: Floats, allowed: Mask) -> Floats:
    """Rules every other token out."""
    restricted = np.full_like(scores, -np.inf)
    length = min(len(allowed), len(scores))
    np.copyto(restricted[:length], scores[:length], where=allowed[:length])
    _check(float(restricted.max()))
    return restricted


def _warp(scores: Floats, params: SamplingParams) -> tuple[npt.NDArray[np.int64] | None, Doubles]:
    """Returns the kept ids, ascending (None: all), and their scores over the temperature."""
    # The best score becomes 0, so that the smallest temperature overflows to weights of 0 only.
    with np.errstate(over="ignore"):
        warped: Doubles = (scores - scores.max().astype(np.float64)) / params.temperature
    ids: npt.NDArray[np.int64] | None = None
    if params.top_k is not None and params.top_k < len(warped):
        bound = np.partition(warped, -params.top_k)[-params.top_k]
        ids = np.flatnonzero(warped >= bound)  # equals at the bound all stay, as in transformers
        warped = warped[ids]
    if params.top_p is not None and params.top_p < 1.0:
        kept = _nucleus(warped, params.top_p)
        ids = kept if ids is None else ids[kept]
        warped = warped[kept]
    return ids, warped


def _nucleus(warped: Doubles, top_p: float) -> npt.NDArray[np.int64]:
    """Returns the indices of the smallest set with mass top_p, ascending (arXiv:1904.09751).

    Equals are taken in the order of their ids, and at least one token stays.
    """
    weights: Doubles = np.exp(warped - warped.max())
    order = np.argsort(-weights, kind="stable")
    before = np.cumsum(weights[order]) - weights[order]
    num_kept = max(1, int(np.count_nonzero(before < top_p * weights.sum())))
    return np.sort(order[:num_kept])


_LARGEST = 1e30
"""Bound of penalised scores; sums and differences of such still fit float32."""


def _log_sum_exp(scores: Floats, largest: np.float32) -> float:
    return float(np.log(np.exp(scores - largest).sum()))


def _greedy_on_device(logits: torch.Tensor) -> SampledToken:
    best = logits.argmax()
    logprob = logits[best] - logits.logsumexp(-1)
    # The decode step's one synchronisation with the device; doubles hold a token id exactly.
    # Torch leaves tolist untyped.
    pair: list[float] = cast("Any", torch.stack((best.double(), logprob.double()))).tolist()
    return SampledToken(int(pair[0]), pair[1])


def checked(token: SampledToken) -> SampledToken:
    """Returns a token that the kernels chose.

    Raises:
        EngineError: its logits were not numbers: then its log-probability is not one.
    """
    _check(token.logprob)
    return token
