"""Keys and values in int8: what is written, what is read, and that rows do not see each other."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from bench.torch_native import TorchNative

from midfill_engine.kernels.library import Library
from midfill_engine.model.native_rows import Rows
from tests.engine.native_models import (
    INT8_GARBAGE,
    RandomModel,
    int8_parts,
    library_or_skip,
    random_ids,
    random_model,
)

SHAPES = ("grouped", "window", "odd-sizes", "many-queries")


@pytest.fixture(scope="module")
def library() -> Library:
    return library_or_skip()


def make(
    model: RandomModel, library: Library, threads: int = 1, name: str | None = None
) -> TorchNative:
    """Returns a decoder of int8 matrices with such a cache."""
    return TorchNative(
        model.spec,
        model.weights,
        library,
        kind="int8",
        cache_dtype=torch.int8,
        num_threads=threads,
        instruction_set=name,
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_does_not_depend_on_rows_or_threads(library: Library, shape: str) -> None:
    """Bit for bit, and so are the caches that are left."""
    model = random_model(shape)
    ids = random_ids(model.spec, 300)
    for name in library.instruction_sets():
        first: torch.Tensor | None = None
        left: list[bytes] = []
        for chunk_len, threads in ((1, 1), (300, 2), (33, 3), (16, 1), (5, 2), (2, 3)):
            native, cache = make(model, library, threads, name), model.int8_cache()
            parts = [
                native.forward(
                    ids[at : at + chunk_len], at, cache, 1, len(ids[at : at + chunk_len])
                )
                for at in range(0, 300, chunk_len)
            ]
            native.close()
            found, held = torch.cat(parts), [part.tobytes() for part in int8_parts(cache)]
            if first is None:
                first, left = found, held
            assert torch.equal(found, first), (name, chunk_len)
            assert held == left, (name, chunk_len)


def test_sequences_of_one_step_do_not_see_each_other(library: Library) -> None:
    model = random_model("grouped")
    ids = random_ids(model.spec, 90)
    native = make(model, library, 2)
    together, alone = model.int8_cache(), model.int8_cache()
    for cache in (together, alone):
        for slot, length in enumerate((70, 3, 40)):
            native.forward(ids[:length], 0, cache, slot, 0)
    tokens = cast("list[int]", cast("Any", ids).tolist())
    rows = Rows([*tokens[70:75], *tokens[3:4], *tokens[40:42]], [70, 71, 72, 73, 74, 3, 40, 41],
                [0, 0, 0, 0, 0, 1, 2, 2], range(8))  # fmt: skip
    found = native.step_rows(rows, together)
    expected = [
        native.forward(ids[70:75], 70, alone, 0, 5),
        native.forward(ids[3:4], 3, alone, 1, 1),
        native.forward(ids[40:42], 40, alone, 2, 2),
    ]
    native.close()
    assert torch.equal(found, torch.cat(expected))


def test_only_the_rows_own_positions_are_written(library: Library) -> None:
    for shape in ("grouped", "odd-sizes"):
        model = random_model(shape)
        native, cache = make(model, library, 2), model.int8_cache(3, 40)
        native.forward(random_ids(model.spec, 30), 4, cache, 1, 2)
        native.close()
        keys, values, *scales = int8_parts(cache)
        dim = model.spec.head_dim
        parts = (keys[..., :dim], values[..., :dim], *scales)
        for array, garbage in zip(parts, INT8_GARBAGE, strict=True):
            written = np.zeros(array.shape, dtype=bool)
            written[:, 1, :, 4:34] = True
            assert (array[~written] == garbage).all()
            assert (array[written] != garbage).mean() > 0.9
        for numbers, units in ((keys, scales[0]), (values, scales[1])):
            kept = numbers[:, 1, :, 4:34]
            assert (np.abs(kept).max(axis=-1) == 127).all()
            assert (kept[..., dim:] == 0).all()
            assert (units[:, 1, :, 4:34] > 0).all()


def test_positions_behind_a_row_are_not_read(library: Library) -> None:
    model = random_model("grouped")
    ids = random_ids(model.spec, 40)
    native = make(model, library)
    clean, stale = model.int8_cache(), model.int8_cache()
    for scales in stale.scales:
        scales.fill(float("nan"))
    stale.keys.fill(255)
    stale.values.fill(0)
    found = [native.forward(ids, 0, cache, 0, 40) for cache in (clean, stale)]
    native.close()
    assert torch.equal(*found)


def test_a_prefix_that_was_copied_goes_on_alike(library: Library) -> None:
    model = random_model("biased")
    ids = random_ids(model.spec, 50)
    native, cache = make(model, library), model.int8_cache()
    expected = native.forward(ids, 0, cache, 0, 10)
    cache.copy_prefix(0, 2, 40)
    assert torch.equal(native.forward(ids[40:], 40, cache, 2, 10), expected)
    native.close()


def test_zeros_stay_zeros(library: Library) -> None:
    """A head whose values are all nought has the scale nought, and no number is divided by it."""
    model = random_model("grouped")
    spec = model.spec
    first = (spec.num_heads + spec.num_kv_heads) * spec.head_dim
    for layer in model.weights.layers:
        layer.qkv[:, first:] = 0
    native, cache = make(model, library), model.int8_cache()
    logits = native.forward(random_ids(spec, 32), 0, cache, 0, 32)
    native.close()
    assert torch.isfinite(logits).all()
    _, values, _, scales = int8_parts(cache)
    assert not values[:, 0, :, :32].any()
    assert not scales[:, 0, :, :32].any()
