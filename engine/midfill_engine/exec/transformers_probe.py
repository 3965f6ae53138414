"""Whether a model of transformers computes the same on a cache as without one: not all do.

    whole    |0 ─────────────── 11|
    pieces   |0 ────── 7|8 ─ 10|11|    the last four rows are compared

Several tokens behind a cache are a chunk of a long prompt, a reused prefix or a draft; one is a
decode step. Jamba starts its state from zero where several come; RecurrentGemma keeps its own in
the model, for all sequences. Knows no slots; called by `transformers_runner` once a model, before
its memory is planned.
"""

from __future__ import annotations

import logging
import math

import torch

from midfill_engine.exec.step_errors import is_out_of_memory
from midfill_engine.exec.transformers_model import TransformersModel

logger = logging.getLogger(__name__)

_NUM_IDS = 12


def cache_holds(model: TransformersModel, dtype: torch.dtype) -> bool:
    """Returns whether the pieces give what the whole gives, up to the rounding of `dtype`.

    What it allocates is free again afterwards. A model that raises on its cache does not hold.
    """
    if model.longest is not None and model.longest < _NUM_IDS:
        return False  # too short to tell, and to need one
    token_ids = [(idx + 1) * model.vocab_size // (_NUM_IDS + 1) for idx in range(_NUM_IDS)]
    whole = model.logits(token_ids, None, 4)
    try:
        pieces = _in_pieces(model, token_ids)
    except Exception as error:  # each architecture's code raises what it likes
        if is_out_of_memory(error):
            raise
        logger.debug("%s refuses its cache", model.architecture, exc_info=True)
        return False
    moved = (whole.softmax(-1) - pieces.softmax(-1)).abs().sum(-1).mean() / 2
    return moved.item() <= _tolerance(dtype)


def _in_pieces(model: TransformersModel, token_ids: list[int]) -> torch.Tensor:
    cache = model.new_cache()
    model.logits(token_ids[:8], cache, 0)
    several = model.logits(token_ids[8:11], cache, 3, 8)
    model.logits(token_ids[::-1], model.new_cache(), 0)  # shows a state that the model itself keeps
    one = model.logits(token_ids[11:], cache, 1, 11)
    return torch.cat([several, one])


def _tolerance(dtype: torch.dtype) -> float:
    """Of the probability that moves to other tokens: half of the dtype's digits.

    That is 3e-4, 0.03 and 0.09 in float32, float16 and bfloat16, where right caches moved up to
    2e-5, 5e-4 and 4e-3, and wrong ones 0.2 and more: docs/log.md, 2026-11-27, caches in
    transformers.
    """
    return math.sqrt(torch.finfo(dtype).eps)
