"""The native decoder on shapes of every kind, in every precision, against the plain model."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
import torch
from bench.torch_native import TorchNative

from midfill_engine.kernels.library import WEIGHT_KINDS, Library
from midfill_engine.model.decoder import Decoder
from midfill_engine.model.native_cache import CacheKind
from midfill_engine.model.native_weights import WeightKind
from tests.engine.native_models import RandomModel, library_or_skip, random_ids, random_model_of
from tests.engine.plain_decoder import plain_logits

TOLERANCE = 1e-5  # of the largest logit; sixty random shapes were off by 3e-6 at most
ROUNDED_TOLERANCE = 3e-2
"""As TOLERANCE, where an activation between two of its 255 numbers was rounded to the other one,
which later rows see too: sixty shapes, 1.5e-2."""

NARROW: Mapping[str, object] = {
    "hidden_size": 160,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 40,
    "num_key_value_heads": 40,
    "head_dim": 4,
    "vocab_size": 32000,
}
"""More heads than dimensions in each, fewer gates than a panel: Llama 2 13B made tiny."""


@pytest.fixture(scope="module")
def library() -> Library:
    return library_or_skip()


def random_shape(pick: random.Random) -> Mapping[str, object]:
    """Returns sizes that fill no vector, block or panel but by chance."""
    num_kv_heads = pick.choice((1, 1, 2, 3, 5, 16))
    more: Mapping[str, object] = pick.choice(
        (
            {},
            {"attention_bias": True, "mlp_bias": True},
            {"architectures": ["MistralForCausalLM"], "sliding_window": pick.randint(1, 80)},
        )
    )
    return {
        "hidden_size": pick.randint(2, 300),
        "intermediate_size": pick.randint(1, 300),
        "num_hidden_layers": pick.randint(1, 2),
        "num_attention_heads": num_kv_heads * pick.choice((1, 1, 2, 3, 7)),
        "num_key_value_heads": num_kv_heads,
        "head_dim": 2 * pick.choice((pick.randint(1, 8), pick.randint(1, 64))),
        "vocab_size": pick.randint(3, 700),
        "tie_word_embeddings": pick.random() < 0.3,
        **more,
    }


def in_portions(
    native: TorchNative, model: RandomModel, ids: torch.Tensor, pick: random.Random
) -> torch.Tensor:
    """Returns the logits of every position, run a few at a time in a slot among others."""
    of_int8 = native.dtype == torch.int8
    size = len(ids)
    cache = model.int8_cache(max_len=size) if of_int8 else model.cache(3, size, native.dtype)
    slot, at = pick.randrange(3), 0
    found: list[torch.Tensor] = []
    while at < len(ids):
        part = ids[at : at + pick.choice((1, 1, 2, 3, 4, 5, 9, 33, 64))]
        found.append(native.forward(part, at, cache, slot, len(part)))
        at += len(part)
    return torch.cat(found)


def errors(
    library: Library,
    kind: WeightKind,
    shape: Mapping[str, object],
    seed: int,
    num_tokens: int,
    cache: CacheKind = "float32",
) -> torch.Tensor:
    """Returns every row's largest error by the largest logit, of each instruction set."""
    model = random_model_of(shape, seed)
    ids = random_ids(model.spec, num_tokens, seed)
    expected = plain_logits(model, ids, kind, cache)
    found: list[torch.Tensor] = []
    for name in library.instruction_sets():
        pick = random.Random(seed)
        native = TorchNative(
            model.spec,
            model.weights,
            library,
            kind=kind,
            cache_dtype=getattr(torch, cache),
            num_threads=pick.randint(1, 2),
            instruction_set=name,
        )
        found.append(in_portions(native, model, ids, pick))
        native.close()
    return (torch.stack(found) - expected).abs().amax(-1) / expected.abs().max()


def assert_small(
    off: torch.Tensor,
    kind: WeightKind,
    shape: Mapping[str, object],
    cache: CacheKind = "float32",
) -> None:
    rounded = kind in ("int8", "int6", "int4") or cache != "float32"
    bound = ROUNDED_TOLERANCE if rounded else TOLERANCE
    assert off.max() < bound, f"{dict(shape)} is off by {off.max():.1e} of the largest"


@pytest.mark.parametrize(
    ("kind", "cache"),
    [
        *((kind, "float32") for kind in WEIGHT_KINDS),
        ("float32", "bfloat16"),
        ("float32", "int8"),
        ("int8", "int8"),
    ],
)
def test_random_shapes(library: Library, kind: WeightKind, cache: CacheKind) -> None:
    """In whole numbers most rows are exact as well: what is rounded otherwise is rare."""
    exact, count = 0, 0
    for seed in range(12):
        pick = random.Random(seed)
        shape = random_shape(pick)
        off = errors(library, kind, shape, seed, pick.randint(2, 100), cache)
        assert_small(off, kind, shape, cache)
        exact += int((off < TOLERANCE).sum())
        count += off.numel()
    assert exact > 0.6 * count


@pytest.mark.parametrize("kind", WEIGHT_KINDS)
def test_more_heads_than_dimensions(library: Library, kind: WeightKind) -> None:
    off = errors(library, kind, NARROW, 1, 22)
    assert_small(off, kind, NARROW)


@pytest.mark.parametrize("seed", range(4))
def test_the_plain_model_is_the_torch_decoders(seed: int) -> None:
    model = random_model_of(random_shape(random.Random(seed)), seed)
    ids = random_ids(model.spec, 40, seed)
    decoder = Decoder(model.spec, model.weights, torch.float32, torch.device("cpu"))
    expected = decoder.forward(ids, 0, model.cache(), 0, 40)
    off = (plain_logits(model, ids, "float32") - expected).abs().max() / expected.abs().max()
    assert off < TOLERANCE
