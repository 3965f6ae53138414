"""Every way in which a checkpoint can be broken is one line that names what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import safetensors.torch
import torch
from bench.torch_native import arrays_of

from midfill_engine.errors import ModelError
from midfill_engine.exec.runner import Runner
from midfill_engine.exec.work import Work
from midfill_engine.model.arrays import LayerArrays, stream_arrays
from midfill_engine.model.checkpoint import (
    INDEX_FILE,
    SINGLE_FILE,
    FolderCheckpoint,
    MemoryCheckpoint,
    widened,
)
from midfill_engine.model.shapes import num_parameters
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import load_weights
from tests.engine.model.conftest import load_decoder, random_ids
from tests.engine.tiny import KINDS, tiny_config, tiny_reference, write_tiny_model

# safetensors leaves its functions partly untyped.
load_file: Callable[[Path], dict[str, torch.Tensor]] = cast("Any", safetensors.torch).load_file
save_file = cast("Any", safetensors.torch).save_file


def failure(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_decoder(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / SINGLE_FILE)
    change(tensors)
    save_file(tensors, folder / SINGLE_FILE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path, "llama-gqa")


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_counted(kind: str) -> None:
    counted = num_parameters(ModelSpec.from_config(tiny_config(kind)))
    assert counted == tiny_reference(kind).num_parameters()


def test_what_is_read_is_told(folder: Path) -> None:
    told: list[float] = []
    checkpoint = FolderCheckpoint.open(folder, lambda _stage, share: told.append(share))
    load_weights(ModelSpec.from_folder(folder), checkpoint, torch.float32, torch.device("cpu"))
    assert told == sorted(told)
    assert len(told) >= len(checkpoint.shapes)
    assert told[-1] == 1.0


def test_missing_tensor(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.pop("model.layers.1.mlp.up_proj.weight"))
    assert "lacks the tensor model.layers.1.mlp.up_proj.weight" in failure(folder)


def test_extra_tensors(folder: Path) -> None:
    extra = {"a.bias": torch.ones(1), "b.bias": torch.ones(1)}
    rewrite(folder, lambda tensors: tensors.update(extra))
    assert "unknown tensor a.bias and 1 more" in failure(folder)


def test_rotary_frequencies_of_old_checkpoints_are_ignored(folder: Path) -> None:
    """Code Llama's files carry them."""
    extra = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)}
    rewrite(folder, lambda tensors: tensors.update(extra))
    load_decoder(folder)


def test_copy_of_a_tied_embedding_is_ignored(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path, "tied")
    rewrite(
        folder,
        lambda tensors: tensors.update(
            {"lm_head.weight": tensors["model.embed_tokens.weight"].clone()}
        ),
    )
    load_decoder(folder)


def test_wrong_shape(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.update({"model.norm.weight": torch.ones(7)}))
    message = failure(folder)
    assert "model.norm.weight has the shape [7]" in message
    assert "[48]" in message


def test_integers_are_refused(folder: Path) -> None:
    ones = torch.ones(48, dtype=torch.int8)
    rewrite(folder, lambda tensors: tensors.update({"model.norm.weight": ones}))
    assert "model.norm.weight is stored as torch.int8" in failure(folder)


@pytest.mark.parametrize("cut", [3, 200, -100])
def test_truncated_file(folder: Path, cut: int) -> None:
    path = folder / SINGLE_FILE
    path.write_bytes(path.read_bytes()[:cut])
    assert f"{path} is no readable safetensors file" in failure(folder)


def test_broken_file(folder: Path) -> None:
    (folder / SINGLE_FILE).write_bytes(b"\xff" * 1000)
    assert "no readable safetensors file" in failure(folder)


def test_no_weights(folder: Path) -> None:
    (folder / SINGLE_FILE).unlink()
    assert f"neither {SINGLE_FILE} nor {INDEX_FILE}" in failure(folder)
    (folder / "pytorch_model.bin").touch()
    assert "only pytorch_model.bin weights" in failure(folder)


class TestIndex:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return write_tiny_model(tmp_path, "llama-gqa", shards=3)

    def change(self, folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
        index = json.loads((folder / INDEX_FILE).read_text())
        change(index)
        (folder / INDEX_FILE).write_text(json.dumps(index))

    def test_absent_shard(self, folder: Path) -> None:
        shard = min(folder.glob("model-*.safetensors"))
        shard.unlink()
        assert f"names {shard.name}, which is missing" in failure(folder)

    def test_tensor_that_its_shard_lacks(self, folder: Path) -> None:
        shard = min(folder.glob("model-*.safetensors")).name
        self.change(folder, lambda index: index["weight_map"].update({"x.weight": shard}))
        assert f"places x.weight in {shard}, which lacks it" in failure(folder)

    def test_place_outside_the_folder(self, folder: Path) -> None:
        self.change(folder, lambda index: index["weight_map"].update({"x.weight": "../x"}))
        assert "places x.weight in '../x', which is no file name" in failure(folder)

    def test_no_weight_map(self, folder: Path) -> None:
        self.change(folder, lambda index: index.pop("weight_map"))
        assert "has no weight_map" in failure(folder)

    def test_broken_json(self, folder: Path) -> None:
        (folder / INDEX_FILE).write_text("{")
        assert "cannot be read" in failure(folder)


def test_weights_outlive_their_file(folder: Path) -> None:
    """Weights are copied: a file that is overwritten later does no harm."""
    decoder = load_decoder(folder)
    from midfill_engine.model.kv_cache import KVCache

    cache = KVCache(decoder.spec, 1, 16, torch.float32, torch.device("cpu"))
    before = decoder.forward(random_ids(9), 0, cache, 0, 1)
    path = folder / SINGLE_FILE
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(b"\0" * size)
    assert torch.equal(before, decoder.forward(random_ids(9), 0, cache, 0, 1))


@pytest.mark.parametrize("name", ["llama-gqa", "tied", "qwen2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_arrays_are_torchs_weights(tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    folder = write_tiny_model(tmp_path, name)
    rewrite(folder, lambda them: them.update({key: each.to(dtype) for key, each in them.items()}))
    spec, checkpoint = ModelSpec.from_folder(folder), FolderCheckpoint.open(folder)
    loaded = arrays_of(load_weights(spec, checkpoint, torch.float32, torch.device("cpu")))
    streamed = stream_arrays(spec, checkpoint)
    in_memory = stream_arrays(spec, MemoryCheckpoint(load_file(folder / SINGLE_FILE)))
    for found in (streamed, in_memory):
        for part in ("embedding", "head", "final_norm"):
            assert np.array_equal(widened(getattr(found, part)), getattr(loaded, part))
    layers = list(loaded.layers)
    assert len(layers) == spec.num_layers
    for found in (streamed, in_memory):
        for layer, expected in zip(found.layers, layers, strict=True):
            assert_same(layer, expected)


def test_dtypes_may_be_mixed(folder: Path) -> None:
    """bfloat16's bits among float32 would be huge numbers."""
    odd = ("self_attn.k_proj.weight", "mlp.up_proj.weight")

    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors.update({key: each.bfloat16() for key, each in tensors.items()})
        tensors.update({key: each.float() for key, each in tensors.items() if key.endswith(odd)})

    rewrite(folder, change)
    logits = [
        Runner.load(str(folder), device="cpu", dtype="float32", kernels=kernels).run(
            [Work(0, [5, 6, 7], 0, scored_ids=[6, 7])]
        )
        for kernels in ("auto", "torch")
    ]
    for one, other in zip(*logits, strict=True):
        assert [each.logprob for each in one] == pytest.approx(
            [each.logprob for each in other], abs=1e-4
        )


def assert_same(found: LayerArrays, expected: LayerArrays) -> None:
    for each in fields(LayerArrays):
        one, other = getattr(found, each.name), getattr(expected, each.name)
        assert (one is None) == (other is None), each.name
        assert one is None or np.array_equal(widened(one), other), each.name


def test_integers_are_refused_by_arrays_too(folder: Path) -> None:
    ones = torch.ones(48, dtype=torch.int8)
    rewrite(folder, lambda tensors: tensors.update({"model.norm.weight": ones}))
    spec = ModelSpec.from_folder(folder)
    checkpoints = (
        (FolderCheckpoint.open(folder), "I8"),
        (MemoryCheckpoint(load_file(folder / SINGLE_FILE)), "torch.int8"),
    )
    for checkpoint, name in checkpoints:
        with pytest.raises(ModelError, match=f"model.norm.weight is stored as {name}"):
            stream_arrays(spec, checkpoint)


def test_memory_of_arrays_becomes_torchs(folder: Path) -> None:
    """bfloat16 in numpy is bits."""
    tensors = load_file(folder / SINGLE_FILE)
    bits = {name: each.bfloat16().view(torch.uint16).numpy() for name, each in tensors.items()}
    with MemoryCheckpoint(bits).reader() as read:
        for name, tensor in tensors.items():
            assert torch.equal(read(name), tensor.bfloat16().float())
