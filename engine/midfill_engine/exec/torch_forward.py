"""A forward of the torch decoder per sequence: the plain way, on any device. Called by `runner`."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from midfill_engine.exec.sampling_params import SampledToken
from midfill_engine.exec.verify import choose
from midfill_engine.exec.work import Work
from midfill_engine.model.decoder import Decoder
from midfill_engine.model.kv_cache import KVCache


class TorchForward:
    """What `forward.Forward` asks for."""

    exact = False
    max_rows = None

    def __init__(self, decoder: Decoder, cache: KVCache, why: str) -> None:
        """Takes what belongs together; `why` tells what spoke against kernels of our own."""
        self._decoder = decoder
        self._cache = cache
        self.kernels = f"torch ({why})"
        self.weights = str(decoder.dtype).removeprefix("torch.")
        grouped = decoder.device.type == "cpu" and decoder.dtype == torch.float32
        self.attention = "grouped+sdpa" if grouped else "sdpa"

    def run(self, works: Sequence[Work]) -> list[list[SampledToken]]:
        """As `Forward.run`."""
        return [self._one(work) for work in works]

    def _one(self, work: Work) -> list[SampledToken]:
        token_ids = torch.tensor(work.token_ids, dtype=torch.int64, device=self._decoder.device)
        logits = self._decoder.forward(
            token_ids, work.start, self._cache, work.slot, work.num_logits
        )
        return choose(logits, work) if work.num_logits else []
