"""What narrows a draw, in transformers' order: temperature, top-k, top-p, min-p, typical-p.

In float64, ids ascending. Called by `sampling`.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from midfill_engine.exec.logprobs import Doubles, Ids, normalised
from midfill_engine.exec.sampling_params import SamplingParams

Floats: TypeAlias = npt.NDArray[np.float32]


def warp(scores: Floats, params: SamplingParams) -> tuple[Ids | None, Doubles]:
    """Returns the kept ids, ascending (None: all), and their scores over the temperature."""
    # The best score becomes 0, so that the smallest temperature overflows to weights of 0 only.
    with np.errstate(over="ignore"):
        warped: Doubles = (scores - scores.max().astype(np.float64)) / params.temperature
    ids: Ids | None = None
    if params.top_k is not None and params.top_k < len(warped):
        bound = np.partition(warped, -params.top_k)[-params.top_k]
        # Equals at the bound all stay, as in transformers.
        ids, warped = _keep(np.flatnonzero(warped >= bound), ids, warped)
    if params.top_p is not None and params.top_p < 1.0:
        ids, warped = _keep(_nucleus(warped, params.top_p), ids, warped)
    if params.min_p is not None and params.min_p > 0.0:
        bound = float(warped.max()) + np.log(params.min_p)
        ids, warped = _keep(np.flatnonzero(warped >= bound), ids, warped)
    if params.typical_p is not None and params.typical_p < 1.0:
        ids, warped = _keep(_typical(warped, params.typical_p), ids, warped)
    return ids, warped


def _keep(kept: Ids, ids: Ids | None, warped: Doubles) -> tuple[Ids, Doubles]:
    """Narrows ids and scores to the places `kept`."""
    return (kept if ids is None else ids[kept]), warped[kept]


def _nucleus(warped: Doubles, top_p: float) -> Ids:
    """Returns the places of the smallest set with mass top_p, ascending (arXiv:1904.09751).

    Equals are taken in the order of their ids, and at least one token stays.
    """
    weights: Doubles = np.exp(warped - warped.max())
    order = np.argsort(-weights, kind="stable")
    before = np.cumsum(weights[order]) - weights[order]
    num_kept = max(1, int(np.count_nonzero(before < top_p * weights.sum())))
    return np.sort(order[:num_kept])


def _typical(warped: Doubles, mass: float) -> Ids:
    """Returns the places of the most typical tokens of together `mass` (arXiv:2202.00666).

    Typical is whose surprise is near the distribution's entropy. Equals at the bound all stay.
    """
    logprobs = normalised(warped)
    weights: Doubles = np.exp(logprobs)
    entropy = -float((weights[weights > 0] * logprobs[weights > 0]).sum())
    distance: Doubles = np.abs(-logprobs - entropy)
    order = np.argsort(distance, kind="stable")
    num_below = int(np.count_nonzero(np.cumsum(weights[order]) < mass))
    last = order[min(num_below, len(order) - 1)]
    return np.flatnonzero(distance <= distance[last])
