"""The CUDA kernel of a whole step, run on the CPU by `emulator.h`, against the plain reference."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from midfill_engine.exec.gpu_choice import assemble, plain_parts
from midfill_engine.exec.gpu_forward import GpuForward
from midfill_engine.exec.gpu_whole import DTYPES
from midfill_engine.exec.sampling_params import SampledToken, SamplingParams
from midfill_engine.exec.work import Work
from midfill_engine.kernels.whole_shape import MOST_ROWS, PLACE_BYTES, Shape, input_stride
from midfill_engine.kernels.whole_step import Step
from midfill_engine.model.checkpoint import MemoryCheckpoint
from midfill_engine.model.gpu_decoder import shape_of
from midfill_engine.model.gpu_weights import GpuKind, load_gpu_weights
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.shapes import expected_shapes
from midfill_engine.model.spec import ModelSpec
from tests.engine.gpu.emulated import HOPPER_BYTES, Emulated

CPU = torch.device("cpu")
GREEDY = SamplingParams()
NUM_TOKENS = 301
MAX_LEN = 300
PROMPT = [idx * 37 % NUM_TOKENS for idx in range(140)]

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 128,
    "intermediate_size": 320,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": NUM_TOKENS,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
}
MODELS: dict[str, dict[str, Any]] = {
    "multi-head": LLAMA,
    "wide heads, shared": LLAMA
    | {"num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 128},
    "biases, tied": LLAMA
    | {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "num_key_value_heads": 1,
        "tie_word_embeddings": True,
    },
}
CASES: list[tuple[str, GpuKind]] = [
    ("multi-head", "plain"),
    ("wide heads, shared", "fp8"),
    ("biases, tied", "int8"),
    ("biases, tied", "plain"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the built kernels are kept."""
    return tmp_path_factory.mktemp("kernels")


def spec_of(model: str) -> ModelSpec:
    return ModelSpec.from_config(MODELS[model])


def forward_of(
    model: str, kind: GpuKind, launch: Emulated | None = None, max_len: int = MAX_LEN
) -> GpuForward:
    """A model of random weights: one launch a step by `launch`, else in plain torch."""
    spec = spec_of(model)
    generator = torch.Generator().manual_seed(3)
    tensors = {
        name: torch.randn(shape, generator=generator) * shape[1] ** -0.5
        if len(shape) > 1
        else torch.randn(shape, generator=generator) * 0.2 + ("norm" in name)
        for name, shape in expected_shapes(spec).items()
    }
    weights = load_gpu_weights(spec, MemoryCheckpoint(tensors), kind, torch.bfloat16, CPU)
    cache = KVCache(spec, MOST_ROWS, max_len, torch.bfloat16, CPU)
    cache.keys.fill_(7.0)  # readable garbage: what is read by mistake changes the result
    cache.values.fill_(float("nan"))
    return assemble(
        spec, weights, plain_parts(), cache, kind=kind, dtype=torch.bfloat16, launch=launch
    )


def emulated(
    model: str, kind: GpuKind, folder: Path, num_blocks: int = 3, shared: int = HOPPER_BYTES
) -> Emulated:
    return Emulated(shape_of(spec_of(model), DTYPES[kind]), folder, num_blocks, shared)


def after_prompt(forward: GpuForward, works: list[Work]) -> list[list[SampledToken]]:
    """The outcome of works, of which slot 0's stands behind a prompt of several pieces."""
    forward.run([Work(0, PROMPT, 0, 0, None)])
    return forward.run(works)


@pytest.mark.parametrize(("model", "kind"), CASES)
def test_as_the_reference(model: str, kind: GpuKind, folder: Path) -> None:
    launch = emulated(model, kind, folder)
    ours, plain = forward_of(model, kind, launch), forward_of(model, kind)
    assert ours.kernels == "one launch a step, no graphs"
    assert ours.difference() < max(0.015, 1.2 * plain.difference())
    works = [
        Work(0, [5, 6, 7], len(PROMPT), 2, GREEDY),
        Work(2, PROMPT[:9], 0, 0, GREEDY),
        Work(1, [8], 0, 0, replace(GREEDY, temperature=0.8, seed=4)),
    ]
    for found, expected in zip(after_prompt(ours, works), after_prompt(plain, works), strict=True):
        assert [token.token_id for token in found] == [token.token_id for token in expected]
        for one, other in zip(found, expected, strict=True):
            assert abs(one.logprob - other.logprob) < 0.05
    assert launch.num_launches == 5


@pytest.mark.parametrize(("model", "kind"), CASES[:3])
def test_company_drafts_and_processors_change_no_bit(
    model: str, kind: GpuKind, folder: Path
) -> None:
    work = Work(0, [5], len(PROMPT), 0, GREEDY)
    expected = after_prompt(forward_of(model, kind, emulated(model, kind, folder)), [work])[-1]
    drafted = Work(0, [5, 9, 9, 9], len(PROMPT), 3, GREEDY)
    crowd = [Work(slot, [slot, 3], 0, 0, GREEDY) for slot in range(1, 7)]
    shape = shape_of(spec_of(model), DTYPES[kind])
    spare = shape.num_places(MOST_ROWS, HOPPER_BYTES) - 2
    least = HOPPER_BYTES - spare * PLACE_BYTES  # a ring that is full all the time
    for num_blocks, shared, works in (
        (5, HOPPER_BYTES, [drafted]),
        (7, least, [*crowd, drafted]),
        (4, least, [*crowd, work]),
    ):
        launch = emulated(model, kind, folder, num_blocks, shared)
        found = after_prompt(forward_of(model, kind, launch), works)[-1]
        assert found[0] == expected[0]


def test_one_text_token_by_token_or_sixteen_at_once(folder: Path) -> None:
    """What a step writes to the cache is what the next ones read, over the end of a piece."""
    model, kind = CASES[1]
    ids = PROMPT[:72]
    forward = forward_of(model, kind, emulated(model, kind, folder))
    forward.run([Work(0, ids[:60], 0, 0, None)])
    alone = [forward.run([Work(0, [ids[at]], at, 0, GREEDY)])[0] for at in range(60, 72)]
    forward.run([Work(1, ids[:60], 0, 0, None)])
    assert forward.run([Work(1, ids[60:], 60, 0, GREEDY)])[0] == alone[-1]


def test_a_lane_that_is_late_misses_no_place(folder: Path) -> None:
    """Lanes that had nothing to copy waited for a phase that was over twice by then."""
    model, kind = CASES[0]
    works = [Work(slot, [slot], len(PROMPT), 0, GREEDY) for slot in range(12)]
    spec = spec_of(model)
    shape = shape_of(spec, DTYPES[kind])
    spare = shape.num_places(len(works), HOPPER_BYTES) - 2
    found: list[list[list[SampledToken]]] = []
    for lagging in (False, True):
        shared = HOPPER_BYTES - spare * PLACE_BYTES
        launch = Emulated(shape, folder, 3, shared, lagging=lagging)
        forward = forward_of(model, kind, launch)
        forward.run([Work(slot, PROMPT, 0, 0, None) for slot in range(12)])
        found.append(forward.run(works))
    assert found[0] == found[1]


@pytest.mark.parametrize("num_inputs", [704, 896, 2048, 3648, 3680, 4096, 4608, 5120])
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.int8])
def test_rows_of_inputs_lie_in_different_banks(kind: torch.dtype, num_inputs: int) -> None:
    """Eight lanes at a time read 16 bytes each: no two of them other words of one bank."""
    size = 64 // kind.itemsize
    stride = input_stride(kind, num_inputs // size * size)
    apart = 16 if kind == torch.bfloat16 else 32
    places = [lane // 4 * stride + lane % 4 * apart for lane in range(32)]
    for first in range(0, 32, 8):
        words = {place // 4 + idx for place in places[first : first + 8] for idx in range(4)}
        assert len({word % 32 for word in words}) == 32


def test_inputs_have_room(folder: Path) -> None:
    """What the kernel lays out is what it is given, for every matrix; the head is bfloat16."""
    launch = emulated("multi-head", "plain", folder)
    for kind, number in ((torch.bfloat16, 0), (torch.float8_e4m3fn, 1), (torch.int8, 2)):
        shape = Shape(4096, 11008, 32, 32, 128, 32016, kind)
        for num_inputs in (64, 704, 3648, 4096):
            assert launch.input_stride(number, num_inputs) == input_stride(kind, num_inputs)
        for rows in range(1, MOST_ROWS + 1):
            room = shape.inputs_bytes(rows)
            assert room % 128 == 0
            assert room >= rows * launch.input_stride(0, shape.hidden)
            assert room >= rows * launch.input_stride(number, shape.hidden)
        narrow = replace(shape, hidden=64)  # below what the heads make
        assert narrow.inputs_bytes(16) >= 16 * launch.input_stride(number, 4096)


def test_what_a_shape_needs() -> None:
    shape = Shape(4096, 11008, 32, 32, 128, 32016, torch.float8_e4m3fn)
    assert shape.refusal(HOPPER_BYTES) is None
    assert shape.splits == 3
    assert [shape.num_places(rows, HOPPER_BYTES) for rows in (1, 4, 8, 16)] == [11, 10, 8, 4]
    assert shape.max_pieces(8192) == 128
    for changed, words in (
        (replace(shape, head_dim=96), "heads of 96 dimensions"),
        (replace(shape, kind=torch.float32), "weights in float32"),
        (replace(shape, inner=11000), "11000 inputs, no multiple of 64"),
        (replace(shape, hidden=5120, inner=13824, num_heads=40, num_kv_heads=40), None),
        (replace(shape, hidden=8192), "bytes of shared memory hold too little"),
        (replace(shape, hidden=64, num_heads=1, inner=576, head_dim=64), None),
        (replace(shape, hidden=64, num_heads=1, inner=64 * 7 * 7, head_dim=64), None),
    ):
        found = changed.refusal(HOPPER_BYTES)
        assert found is None if words is None else words in str(found)


def test_times_of_a_built_in_clock(folder: Path) -> None:
    """`bench/gpu_step.py` reads when blocks came to each meeting and when they went on."""
    shape = shape_of(spec_of("multi-head"), torch.bfloat16)
    launch = Emulated(shape, folder, 3, timed=True)
    forward = forward_of("multi-head", "plain", launch)
    assert forward.decoder.whole is not None
    for num_rows, meetings in ((1, 12), (4, 17)):
        after_prompt(forward, [Work(0, [5] * num_rows, len(PROMPT), 0, GREEDY)])
        times = forward.decoder.whole.times[:, :meetings]
        assert times.shape == (3, meetings, 2)
        assert bool((times.flatten(1).diff(dim=1) > 0).all())
        assert bool((times[..., 1].amin(0) >= times[..., 0].amax(0)).all())  # nobody goes on alone


def test_the_step_is_told_as_the_kernel_reads_it() -> None:
    """Places first, then strides, floats and counts: no gap that two compilers might fill."""
    assert ctypes.sizeof(Step) == 23 * 8 + 2 * 8 + 2 * 4 + 6 * 4
