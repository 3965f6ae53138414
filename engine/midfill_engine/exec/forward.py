"""Several sequences' rows through a decoder: one after the other in torch, at once natively.

Called by `runner`; knows nothing of sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

import torch

from midfill_engine.exec.work import Work
from midfill_engine.model.decoder import Decoder
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.native import NativeDecoder, Rows


class Forward(Protocol):
    """A decoder as `runner` uses it."""

    @property
    def kernels(self) -> str:
        """What computes, in words for `/info`."""
        ...

    @property
    def attention(self) -> str:
        """How attention is computed, in words for `/info`."""
        ...

    @property
    def weights(self) -> str:
        """What the matrices are kept in."""
        ...

    @property
    def exact(self) -> bool:
        """Whether a row's numbers are the same however many rows share the step."""
        ...

    def logits(self, works: Sequence[Work], cache: KVCache) -> Sequence[torch.Tensor]:
        """Runs every work's tokens; returns [num_logits, V] float32 of each."""
        ...


class TorchForward:
    """The plain way, on any device: a forward per sequence."""

    exact = False

    def __init__(self, decoder: Decoder, why: str) -> None:
        """`why` tells what spoke against the native kernels."""
        self._decoder = decoder
        self.kernels = f"torch ({why})"
        self.weights = str(decoder.dtype).removeprefix("torch.")
        grouped = decoder.device.type == "cpu" and decoder.dtype == torch.float32
        self.attention = "grouped+sdpa" if grouped else "sdpa"

    def logits(self, works: Sequence[Work], cache: KVCache) -> Sequence[torch.Tensor]:
        """As `Forward.logits`."""
        return [self._one(work, cache) for work in works]

    def _one(self, work: Work, cache: KVCache) -> torch.Tensor:
        token_ids = torch.tensor(work.token_ids, dtype=torch.int64, device=self._decoder.device)
        return self._decoder.forward(token_ids, work.start, cache, work.slot, work.num_logits)


class NativeForward:
    """All rows of a step in one call of the CPU kernels."""

    exact = True
    attention = "native"

    def __init__(self, decoder: NativeDecoder) -> None:
        """Takes a decoder that `kernel_choice` made."""
        self._decoder = decoder
        self.kernels = f"native {decoder.instruction_set}"
        self.weights = decoder.kind

    def logits(self, works: Sequence[Work], cache: KVCache) -> Sequence[torch.Tensor]:
        """As `Forward.logits`."""
        token_ids: list[int] = []
        positions: list[int] = []
        slots: list[int] = []
        logit_rows: list[int] = []
        for work in works:
            count = len(work.token_ids)
            token_ids += work.token_ids
            positions += range(work.start, work.start + count)
            slots += [work.slot] * count
            logit_rows += range(len(token_ids) - work.num_logits, len(token_ids))
        rows = Rows(token_ids, positions, slots, logit_rows)
        logits = self._decoder.step_rows(rows, cache)
        ends = accumulate(work.num_logits for work in works)
        return [logits[end - work.num_logits : end] for work, end in zip(works, ends, strict=True)]
