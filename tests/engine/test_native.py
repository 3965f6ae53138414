"""The native decoder against the torch decoder: every instruction set that this machine runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from bench.torch_native import TorchNative
from tokenizers import Tokenizer

from midfill_engine.kernels import reference
from midfill_engine.kernels.library import BLOCKS, Library
from midfill_engine.model.checkpoint import FolderCheckpoint
from midfill_engine.model.decoder import Decoder
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.native_weights import WeightKind, head_kind
from midfill_engine.model.source import STARTER_FOLDER
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import DenseMlp, LayerWeights, load_weights
from tests.engine.native_models import (
    SHAPES,
    RandomModel,
    library_or_skip,
    mapped,
    random_ids,
    random_model,
    random_model_of,
)

CPU = torch.device("cpu")
TOLERANCE = 1e-4  # of the largest logit
PROMPT = "import argparse\nimport os\n\n\nclass Reader:\n    def __init__(self, path, mode):\n"


@pytest.fixture(scope="module")
def library() -> Library:
    return library_or_skip()


def torch_logits(model: RandomModel, ids: torch.Tensor) -> torch.Tensor:
    decoder = Decoder(model.spec, model.weights, torch.float32, CPU)
    return decoder.forward(ids, 0, model.cache(1), 0, len(ids))


def assert_near(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    off = (found - expected).abs().max() / expected.abs().max()
    assert off < tolerance, f"off by {off:.2e} of the largest"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("chunk_len", [150, 7, 1])
def test_float32_logits_are_those_of_torch(library: Library, shape: str, chunk_len: int) -> None:
    model = random_model(shape)
    ids = random_ids(model.spec, 150)
    expected = torch_logits(model, ids)
    for name in library.instruction_sets():
        native = TorchNative(
            model.spec, model.weights, library, num_threads=2, instruction_set=name
        )
        cache = model.cache()
        chunks = [
            native.forward(ids[at : at + chunk_len], at, cache, 1, len(ids[at : at + chunk_len]))
            for at in range(0, 150, chunk_len)
        ]
        native.close()
        assert_near(torch.cat(chunks), expected, TOLERANCE)


@pytest.mark.parametrize("shape", SHAPES)
def test_bfloat16_is_float32_on_rounded_weights(library: Library, shape: str) -> None:
    model = random_model(shape)
    ids = random_ids(model.spec, 60)
    weights = mapped(model.weights, lambda matrix: matrix.bfloat16().float())
    expected = torch_logits(RandomModel(model.spec, weights), ids)
    for name in library.instruction_sets():
        native = TorchNative(
            model.spec, model.weights, library, kind="bfloat16", instruction_set=name
        )
        found = native.forward(ids, 0, model.cache(), 0, 60)
        native.close()
        assert_near(found, expected, TOLERANCE)


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_a_bfloat16_cache_stays_near_a_float32_one(library: Library, kind: WeightKind) -> None:
    """Keys and values lose 16 bits; logits may be off by about what half precision is.

    More so in int8, where an activation may be rounded to the next of 255 numbers for it.
    """
    model = random_model("window")
    ids = random_ids(model.spec, 100)
    found: list[torch.Tensor] = []
    for dtype in (torch.float32, torch.bfloat16):
        native = TorchNative(model.spec, model.weights, library, kind=kind, cache_dtype=dtype)
        cache = model.cache(dtype=dtype)
        native.forward(ids[:99], 0, cache, 1, 0)
        found.append(native.forward(ids[99:], 99, cache, 1, 1))
        native.close()
    assert_near(found[1], found[0], 2e-2 if kind == "float32" else 5e-2)
    assert not torch.equal(found[1], found[0])


def test_caches_of_both_decoders_are_interchangeable(library: Library) -> None:
    model = random_model("biased")
    ids = random_ids(model.spec, 50)
    native = TorchNative(model.spec, model.weights, library)
    decoder = Decoder(model.spec, model.weights, torch.float32, CPU)
    expected = torch_logits(model, ids)[-10:]
    for first, second in ((native, decoder), (decoder, native)):
        cache = model.cache()
        first.forward(ids[:40], 0, cache, 2, 0)
        assert_near(second.forward(ids[40:], 40, cache, 2, 10), expected, TOLERANCE)
    native.close()


@pytest.mark.parametrize("hidden_size", [32, 50, 256, 1056])
def test_an_int8_product_is_that_of_its_own_numbers(library: Library, hidden_size: int) -> None:
    """Layers that add nothing leave norm and head: whole int8 products, compared exactly."""
    shape = {"hidden_size": hidden_size, "intermediate_size": 64, "num_hidden_layers": 1}
    model = silenced(random_model_of(shape))
    ids = random_ids(model.spec, 40)
    rows = reference.rms_norm(
        reference.dequantised("int8", model.weights.embedding.t()).t()[ids],
        model.weights.final_norm,
        model.spec.rms_norm_eps,
    )
    expected = reference.quantised_rows(rows, BLOCKS["int8"]) @ reference.dequantised(
        "int8", model.weights.head
    )
    for name in library.instruction_sets():
        native = TorchNative(model.spec, model.weights, library, kind="int8", instruction_set=name)
        found = native.forward(ids, 0, model.cache(), 0, 40)
        native.close()
        # A number that lies on the border of two may be rounded to either: one step of 1/127.
        assert_near(found, expected, 2e-3)
        assert ((found - expected).abs() < 1e-5 * expected.abs().max()).float().mean() > 0.9


@pytest.mark.parametrize("small", ["int6", "int4"])
@pytest.mark.parametrize(("hidden_size", "inner"), [(32, 64), (50, 90), (256, 1056)])
def test_a_product_of_few_bits_is_that_of_its_own_numbers(
    library: Library, hidden_size: int, inner: int, small: WeightKind
) -> None:
    """Without attention a layer is two products; int4 has head and embedding in int8."""
    shape = {"hidden_size": hidden_size, "intermediate_size": inner, "num_hidden_layers": 1}
    model = without_attention(random_model_of(shape))
    (layer,), eps = model.weights.layers, model.spec.rms_norm_eps
    assert isinstance(layer.mlp, DenseMlp)
    ids = random_ids(model.spec, 40)

    def product(rows: torch.Tensor, kind: str, matrix: torch.Tensor) -> torch.Tensor:
        return reference.quantised_rows(rows, BLOCKS[kind]) @ reference.dequantised(kind, matrix)

    ends = head_kind(small)
    hidden = reference.dequantised(ends, model.weights.embedding.t()).t()[ids]
    normed = reference.rms_norm(hidden, layer.mlp_norm, eps)
    gated = reference.swiglu(product(normed, small, layer.mlp.gate_up))
    hidden = hidden + product(gated, small, layer.mlp.down)
    normed = reference.rms_norm(hidden, model.weights.final_norm, eps)
    expected = product(normed, ends, model.weights.head)
    for name in library.instruction_sets():
        native = TorchNative(model.spec, model.weights, library, kind=small, instruction_set=name)
        found = native.forward(ids, 0, model.cache(), 0, 40)
        native.close()
        assert_near(found, expected, 5e-3)  # rounded to the other side, as above
        assert ((found - expected).abs() < 1e-5 * expected.abs().max()).float().mean() > 0.7


@pytest.mark.parametrize("shape", ["grouped", "deep", "biased"])
def test_int8_logits_stay_near_float32(library: Library, shape: str) -> None:
    """Noise of random weights: each product is off by 0.7 %, and layers add it up."""
    model = random_model(shape)
    ids = random_ids(model.spec, 60)
    expected = torch_logits(model, ids)
    for name in library.instruction_sets():
        native = TorchNative(model.spec, model.weights, library, kind="int8", instruction_set=name)
        found = native.forward(ids, 0, model.cache(), 0, 60)
        native.close()
        assert_near(found, expected, 1e-1)
        assert torch.nn.functional.cosine_similarity(found, expected).min() > 0.995


def test_the_bundled_model_writes_the_same_200_tokens(library: Library) -> None:
    spec = ModelSpec.from_folder(STARTER_FOLDER)
    weights = load_weights(spec, FolderCheckpoint.open(STARTER_FOLDER), torch.float32, CPU)
    expected = greedy(Decoder(spec, weights, torch.float32, CPU))
    assert len(set(expected)) >= 10  # a loop of one token would prove little
    for name in library.instruction_sets():
        native = TorchNative(spec, weights, library, instruction_set=name)
        assert greedy(native) == expected, name
        native.close()


def greedy(decoder: Decoder | TorchNative) -> list[int]:
    """Returns the 200 tokens that the bundled model writes after PROMPT."""
    prompt = Tokenizer.from_file(str(STARTER_FOLDER / "tokenizer.json")).encode(PROMPT).ids
    cache = KVCache(decoder.spec, 1, 512, torch.float32, CPU)
    logits = decoder.forward(torch.tensor(prompt), 0, cache, 0, 1)
    tokens = [int(logits[0].argmax())]
    for position in range(len(prompt), len(prompt) + 199):
        logits = decoder.forward(torch.tensor(tokens[-1:]), position, cache, 0, 1)
        tokens.append(int(logits[0].argmax()))
    return tokens


def without_attention(model: RandomModel) -> RandomModel:
    """Returns it with attention that adds nothing to what it is given."""
    layers = tuple(
        replace(layer, out=torch.zeros_like(layer.out)) for layer in model.weights.layers
    )
    return RandomModel(model.spec, replace(model.weights, layers=layers))


def silenced(model: RandomModel) -> RandomModel:
    """Returns it with layers that add nothing to what they are given."""

    def silent(layer: LayerWeights) -> LayerWeights:
        assert isinstance(layer.mlp, DenseMlp)
        mlp = replace(layer.mlp, down=torch.zeros_like(layer.mlp.down))
        return replace(layer, out=torch.zeros_like(layer.out), mlp=mlp)

    layers = tuple(silent(layer) for layer in model.weights.layers)
    return RandomModel(model.spec, replace(model.weights, layers=layers))
