"""Choosing the next token from logits, in the order of TGI's processors.

Watermark, bias and penalties (`rescore`), the constraint on which tokens may come (ours, not
TGI's), what narrows the choice (`warp`), then the draw. Called by `verify`, once per place.
The draw depends on (seed, position) and the logits alone: not on the batch, not on what was drawn
before. So a draft can be verified without loss.

Everything but plain greedy choice runs on the host in a fixed order (token ids ascending), in
float64 where probabilities are summed, so that the same logits give the same token on any device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from midfill_engine.errors import EngineError
from midfill_engine.exec.logprobs import Doubles, Floats, Logits, likeliest, normalised, on_host
from midfill_engine.exec.rescore import rescore
from midfill_engine.exec.sampling_params import SampledToken, SamplingParams
from midfill_engine.exec.warp import warp
from midfill_engine.exec.work import Mask

if TYPE_CHECKING:
    import torch


def sample(
    logits: Logits,
    params: SamplingParams,
    prompt_ids: Sequence[int],
    generated_ids: Sequence[int],
    position: int,
    allowed: Mask | None = None,
    top_n: int = 0,
) -> SampledToken:
    """Returns the token at `position`, its log-probability and the likeliest at its place.

    The log-probability is that of the distribution drawn from, after penalties, constraint,
    temperature and what narrows the choice, as TGI reports it (HeterogeneousNextTokenChooser takes
    log_softmax of the warped scores). Greedy choice takes the lowest id among equals.

    Args:
        logits: [V] float32.
        params: how to choose.
        prompt_ids: tokens that the repetition penalty covers.
        generated_ids: more of them; frequency and presence penalties count these only.
        position: index of the chosen token in the sequence; keys the draw.
        allowed: which tokens may come, at least one; None: any.
        top_n: how many of the likeliest tokens to tell.

    Raises:
        EngineError: the logits are not numbers (float16 overflowed, or the weights are broken).
    """
    plain = params.greedy and not params.rescored and allowed is None and not top_n
    if plain and not isinstance(logits, np.ndarray) and logits.device.type != "cpu":
        token = _greedy_on_device(logits)
        _check(token.logprob)
        return token
    # The decode step's one synchronisation with the device.
    scores = on_host(logits)
    _check(float(scores.max()))  # NaN if any is; a token may be ruled out by -inf, not all
    if params.rescored:
        scores = rescore(scores, params, prompt_ids, generated_ids)
    if allowed is not None:
        if params.greedy and not top_n:
            return _greedy_among(scores, allowed)
        scores = _restrict(scores, allowed)
    if params.greedy:
        return _greedy(scores, top_n)
    ids, warped = warp(scores, params)
    weights: Doubles = np.exp(warped - warped.max())
    choice = draw(weights, uniform(params.seed, position))
    token_id = int(ids[choice]) if ids is not None else choice
    if top_n:
        logprobs = normalised(warped)
        return SampledToken(token_id, float(logprobs[choice]), likeliest(logprobs, top_n, ids))
    return SampledToken(token_id, float(np.log(weights[choice] / weights.sum())))


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
        raise EngineError(
            "the model's logits are not numbers: its weights overflow, which --dtype float32 may "
            "mend, or are damaged"
        )


def _restrict(scores: Floats, allowed: Mask) -> Floats:
    """Rules every other token out."""
    restricted = np.full_like(scores, -np.inf)
    length = min(len(allowed), len(scores))
    np.copyto(restricted[:length], scores[:length], where=allowed[:length])
    _check(float(restricted.max()))
    return restricted


def _greedy(scores: Floats, top_n: int) -> SampledToken:
    token_id = int(scores.argmax())
    if top_n:
        logprobs = normalised(scores)
        return SampledToken(token_id, float(logprobs[token_id]), likeliest(logprobs, top_n))
    return SampledToken(token_id, -float(np.log(np.exp(scores - scores[token_id]).sum())))


def _greedy_among(scores: Floats, allowed: Mask) -> SampledToken:
    """As `_greedy` on what `_restrict` leaves, without the tokens that are ruled out."""
    ids = np.flatnonzero(allowed[: len(scores)])
    among: Floats = scores[ids]
    _check(float(among.max()) if len(ids) else -math.inf)
    found = _greedy(among, 0)
    return SampledToken(int(ids[found.token_id]), found.logprob)


def _greedy_on_device(logits: torch.Tensor) -> SampledToken:
    import torch

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
