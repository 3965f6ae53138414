"""Log-probabilities that are told beside a choice: alternatives, and tokens of the prompt.

Called by `sampling` and `verify`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from midfill_engine.exec.sampling_params import SampledToken, TokenLogprob

if TYPE_CHECKING:
    import torch

Floats: TypeAlias = npt.NDArray[np.float32]
Logits: TypeAlias = "Floats | torch.Tensor"
"""The native kernels' are numpy's, all others torch's, on any device."""
Ids: TypeAlias = npt.NDArray[np.int64]
Doubles: TypeAlias = npt.NDArray[np.float64]


def on_host(logits: Logits) -> Floats:
    """Returns them as numpy has them, without a copy where they are on the host."""
    if isinstance(logits, np.ndarray):
        return logits
    found: Floats = logits.cpu().numpy()
    return found


def likeliest(logprobs: Doubles, count: int, ids: Ids | None = None) -> tuple[TokenLogprob, ...]:
    """Returns the `count` likeliest tokens, the likeliest first, equals by their ids.

    As TGI's `batch_top_tokens`: those as likely as the last one come along, those that are ruled
    out do not.

    Args:
        logprobs: of the tokens `ids`, or of every token.
        count: 0 returns none.
        ids: ascending.
    """
    if count == 0:
        return ()
    count = min(count, len(logprobs))
    bound = np.partition(logprobs, -count)[-count]
    found = np.flatnonzero((logprobs >= bound) & (logprobs > -np.inf))
    found = found[np.argsort(-logprobs[found], kind="stable")]
    token_ids = found if ids is None else ids[found]
    return tuple(
        TokenLogprob(int(token_id), float(logprobs[at]))
        for token_id, at in zip(token_ids, found, strict=True)
    )


def score(logits: Logits, token_ids: Sequence[int], top_n: int) -> list[SampledToken]:
    """Returns each token's log-probability in the model's own distribution, with alternatives.

    Args:
        logits: [len(token_ids), V] float32, of the places before the tokens.
        token_ids: what stood there.
        top_n: how many of the likeliest to tell.
    """
    rows = on_host(logits)
    found: list[SampledToken] = []
    for row, token_id in zip(rows, token_ids, strict=True):
        logprobs = normalised(row)
        top = likeliest(logprobs, top_n)
        found.append(SampledToken(token_id, float(logprobs[token_id]), top))
    return found


def normalised(scores: npt.NDArray[np.floating]) -> Doubles:
    """Returns log-softmax in float64."""
    shifted: Doubles = scores.astype(np.float64) - float(scores.max())
    logprobs: Doubles = shifted - np.log(np.exp(shifted).sum())
    return logprobs
