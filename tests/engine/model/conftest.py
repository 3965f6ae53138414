"""One tiny model of each kind per session: transformers' own and ours on the same weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from midfill_engine.model.checkpoint import FolderCheckpoint
from midfill_engine.model.decoder import Decoder
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import load_weights
from tests.engine.tiny import tiny_reference, write_tiny_model

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Pair:
    """Transformers' model and our decoder with an empty cache of three slots."""

    reference: Any
    decoder: Decoder

    def cache(self, max_len: int = 128) -> KVCache:
        return KVCache(self.decoder.spec, 3, max_len, self.decoder.dtype, CPU)

    def reference_logits(self, token_ids: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            logits: torch.Tensor = self.reference(token_ids[None]).logits[0]
        return logits


def load_decoder(folder: Path, dtype: torch.dtype = torch.float32) -> Decoder:
    spec = ModelSpec.from_folder(folder)
    weights = load_weights(spec, FolderCheckpoint.open(folder), dtype, CPU)
    return Decoder(spec, weights, dtype, CPU)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pair]:
    pairs: dict[str, Pair] = {}

    def get(kind: str) -> Pair:
        if kind not in pairs:
            folder = write_tiny_model(tmp_path_factory.mktemp(kind), kind)
            pairs[kind] = Pair(tiny_reference(kind), load_decoder(folder))
        return pairs[kind]

    return get


def random_ids(length: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, 390, (length,), generator=generator)
