"""What a step of the native decoder writes and reads, and that rows do not see each other."""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from bench.torch_native import TorchNative, arrays_of, shared

from midfill_engine.errors import ModelError
from midfill_engine.kernels.library import ISA_VARIABLE, WEIGHT_KINDS, Library
from midfill_engine.model.arrays import LayerArrays
from midfill_engine.model.checkpoint import Stored
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.native import NativeDecoder, unsupported
from midfill_engine.model.native_rows import Rows
from midfill_engine.model.native_weights import WeightKind
from midfill_engine.model.spec import ModelSpec
from tests.engine.native_models import (
    RandomModel,
    library_or_skip,
    random_ids,
    random_model,
    random_model_of,
)
from tests.engine.tiny import tiny_config


@pytest.fixture(scope="module")
def library() -> Library:
    return library_or_skip()


def make(
    model: RandomModel, library: Library, kind: WeightKind = "float32", **settings: object
) -> TorchNative:
    return TorchNative(model.spec, model.weights, library, kind=kind, **settings)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", WEIGHT_KINDS)
@pytest.mark.parametrize("shape", ["grouped", "window", "odd-sizes", "many-queries"])
def test_a_row_does_not_depend_on_rows_or_threads(
    library: Library, kind: WeightKind, shape: str
) -> None:
    """Bit for bit: one row at a time, 2 to 33 together, in portions over 256, on 1 to 3 threads."""
    model = random_model(shape)
    ids = random_ids(model.spec, 300)
    for name in library.instruction_sets():
        found: list[torch.Tensor] = []
        for chunk_len, num_threads in ((1, 1), (300, 2), (33, 3), (16, 1), (5, 2), (2, 3)):
            native = make(model, library, kind, num_threads=num_threads, instruction_set=name)
            cache = model.cache()
            chunks: list[torch.Tensor] = []
            for at in range(0, 300, chunk_len):
                part = ids[at : at + chunk_len]
                chunks.append(native.forward(part, at, cache, 1, len(part)))
            native.close()
            found.append(torch.cat(chunks))
        assert all(torch.equal(each, found[0]) for each in found[1:]), name


@pytest.mark.parametrize("kind", WEIGHT_KINDS)
def test_sequences_of_one_step_do_not_see_each_other(library: Library, kind: WeightKind) -> None:
    """A draft of slot 0, one token of slot 2 and a prompt of slot 1 in one step, and each alone."""
    model = random_model("biased")
    ids = random_ids(model.spec, 200)
    native = make(model, library, kind, num_threads=2)

    def prepared() -> KVCache:
        cache = model.cache()
        native.forward(ids[:70], 0, cache, 0, 0)
        native.forward(ids[100:111], 0, cache, 2, 0)
        return cache

    together, alone = prepared(), prepared()
    parts = [(0, 70, ids[70:76]), (2, 11, ids[111:112]), (1, 0, ids[120:140])]
    rows = Rows(
        [int(token) for _, _, part in parts for token in part],
        [at for _, start, part in parts for at in range(start, start + len(part))],
        [slot for slot, _, part in parts for _ in part],
        [0, 3, 5, 6, 26],
    )
    found = native.step_rows(rows, together)
    first, second, third = (
        native.forward(part, start, alone, slot, len(part)) for slot, start, part in parts
    )
    assert torch.equal(found, torch.cat((first[[0, 3, 5]], second, third[19:])))
    assert torch.equal(together.keys, alone.keys)
    assert torch.equal(together.values, alone.values)
    native.close()


@pytest.mark.parametrize("kind", WEIGHT_KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_only_the_rows_own_positions_are_written(
    library: Library, kind: WeightKind, dtype: torch.dtype
) -> None:
    for shape in ("grouped", "odd-sizes"):
        model = random_model(shape)
        native = make(model, library, kind, cache_dtype=dtype, num_threads=2)
        cache = model.cache(3, 40, dtype)
        native.forward(random_ids(model.spec, 30), 4, cache, 1, 2)
        native.close()
        for tensor, canary in ((cache.keys, 7.0), (cache.values, -7.0)):
            written = torch.zeros_like(tensor, dtype=torch.bool)
            written[:, 1, :, 4:34] = True
            assert (tensor[~written] == canary).all()
            assert (tensor[written] != canary).float().mean() > 0.99


def test_positions_behind_a_row_are_not_read(library: Library) -> None:
    model = random_model("grouped")
    ids = random_ids(model.spec, 40)
    native = make(model, library)
    clean, stale = model.cache(), model.cache()
    stale.keys.fill_(float("nan"))
    stale.values.fill_(float("nan"))
    found = [native.forward(ids, 0, cache, 0, 40) for cache in (clean, stale)]
    assert torch.equal(*found)
    native.close()


def test_num_logits(library: Library) -> None:
    model = random_model("grouped")
    ids = random_ids(model.spec, 20)
    native = make(model, library)
    whole = native.forward(ids, 0, model.cache(), 0, 20)
    cache = model.cache()
    assert native.forward(ids[:15], 0, cache, 0, 0).shape == (0, model.spec.vocab_size)
    assert torch.equal(native.forward(ids[15:], 15, cache, 0, 2), whole[-2:])
    native.close()


def test_a_thread_that_lags_does_not_read_the_next_step(library: Library) -> None:
    """It read the number of logits after the step's last barrier, when the caller was gone."""
    model = random_model("grouped")
    ids = random_ids(model.spec, 300)
    native, alone = make(model, library, num_threads=4), make(model, library)
    found, expected = model.cache(), model.cache()
    for step in range(150):
        count = (1, 2, 300, 8)[step % 4]
        native.forward(ids[:count], 0, found, step % 3, step % 2)
    for step in range(3):
        alone.forward(ids, 0, expected, step, 1)
    assert torch.equal(found.keys[:, :, :, :300], expected.keys[:, :, :, :300])
    native.close()
    alone.close()


def test_a_thread_that_slept_in_a_step_comes_back(library: Library) -> None:
    """Pieces of 0.3 to 1 ms let the other thread fall asleep; it slept until the step's end.

    It did 1 % of the work then, and does about half of it.
    """
    model = random_model_of({"hidden_size": 768, "intermediate_size": 64, "num_hidden_layers": 12})
    native = make(model, library, num_threads=2)
    ids, cache = random_ids(model.spec, 256), model.cache(1, 256)
    shares: list[float] = []
    for _ in range(8):
        own, all_threads = time.thread_time(), time.process_time()
        native.forward(ids, 0, cache, 0, 0)
        own, all_threads = time.thread_time() - own, time.process_time() - all_threads
        shares.append(1 - own / all_threads)
    native.close()
    assert sorted(shares)[2] > 0.15, shares


def test_threads_sleep_when_no_step_runs(library: Library) -> None:
    """A second without a step costs less than a tenth of one thread's time; they spin 0.2 ms."""
    model = random_model("grouped")
    native = make(model, library, num_threads=4)
    native.forward(random_ids(model.spec, 8), 0, model.cache(), 0, 1)
    before = time.process_time()
    time.sleep(1)
    assert time.process_time() - before < 0.1
    native.close()


ROWS = Rows([1, 2], [0, 1], [0, 0], [1])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (Rows([], [], [], []), "at least one row"),
        (Rows([1, 2], [0], [0, 0], []), "2 tokens at 1 positions of 2 slots"),
        (Rows([200], [0], [0], [0]), r"token id 200 is outside \[0, 200\)"),
        (Rows([-1], [0], [0], [0]), "token id -1"),
        (Rows([1], [64], [0], [0]), r"position 64 is outside \[0, 64\)"),
        (Rows([1], [0], [3], [0]), r"slot 3 is outside \[0, 3\)"),
        (Rows([1], [0], [0], [1]), r"logit row 1 is outside \[0, 1\)"),
        (Rows([1, 2], [0, 1], [0, 0], [1, 0]), "the logit rows do not ascend: 1, 0"),
        (Rows([1, 2, 3], [5, 0, 5], [0, 1, 0], []), "positions of slot 0 do not ascend: 5, 5"),
    ],
)
def test_rows_that_do_not_fit_are_refused(library: Library, rows: Rows, message: str) -> None:
    model = random_model("grouped")
    native = make(model, library)
    with pytest.raises(ValueError, match=message):
        native.step_rows(rows, model.cache(3, 64))
    native.close()


def test_other_caches_are_refused(library: Library) -> None:
    model, other = random_model("grouped"), random_model("odd-sizes")
    native = make(model, library)
    for cache in (other.cache(), model.cache(dtype=torch.bfloat16)):
        with pytest.raises(ValueError, match="this model needs"):
            native.step_rows(ROWS, cache)
    native.close()
    with pytest.raises(ValueError, match="closed"):
        native.step_rows(ROWS, model.cache())


def test_settings_that_cannot_be_are_refused(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_model("grouped")
    with pytest.raises(ModelError, match="0 threads"):
        make(model, library, num_threads=0)
    with pytest.raises(ModelError, match="cache of float16"):
        make(model, library, cache_dtype=torch.float16)
    monkeypatch.setenv(ISA_VARIABLE, "altivec")
    with pytest.raises(ModelError, match="MIDFILL_CPU_ISA is 'altivec'; here it can be"):
        make(model, library)
    monkeypatch.setenv(ISA_VARIABLE, "portable")
    native = make(model, library)
    assert native.native.instruction_set == "portable"
    native.close()


def test_what_the_kernels_cannot_run_is_told() -> None:
    spec = ModelSpec.from_config(tiny_config("mixtral"))
    assert unsupported(spec) == "a mixture of experts"
    spec = ModelSpec.from_config({**tiny_config("llama"), "head_dim": 320})
    assert unsupported(spec) == "heads of 320 dimensions, over 256"
    spec = ModelSpec.from_config({**tiny_config("llama"), "vocab_size": 2**21})
    assert unsupported(spec) == "a vocabulary of 2097152, over 1048576"
    spec = ModelSpec.from_config(tiny_config("qwen2") | {"intermediate_size": 2**19 + 1})
    assert unsupported(spec) == "a matrix of gates and ups of 1048578, over 1048576"
    assert unsupported(ModelSpec.from_config(tiny_config("qwen2"))) is None


def test_a_layer_is_let_go_before_the_next_is_read(library: Library) -> None:
    model = random_model("biased")
    ids = random_ids(model.spec, 9)
    kept = make(model, library)
    expected = kept.forward(ids, 0, model.cache(), 0, 9)
    seen: list[weakref.ref[Stored]] = []

    def layers() -> Iterator[LayerArrays]:
        for layer in arrays_of(model.weights).layers:
            assert not any(each() is not None for each in seen)
            read = [replace(layer, qkv=layer.qkv.copy())]
            seen.append(weakref.ref(read[0].qkv))
            yield read.pop()

    streamed = replace(arrays_of(model.weights), layers=layers())
    native = NativeDecoder(model.spec, streamed, library)
    assert len(seen) == 3
    rows = Rows([int(token) for token in ids], range(9), [0] * 9, range(9))
    found = native.step(rows, shared(model.cache()), keep_logits=True).logits
    assert found is not None
    assert torch.equal(torch.as_tensor(found), expected)
    kept.close()
    native.close()
