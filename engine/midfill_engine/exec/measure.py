"""How fast this machine computes: the engine's own steps, timed on stacks of random layers.

Three stacks of different widths and depths tell what a layer and what a byte of weights cost; how
far their own times are from that is the error of such a forecast. The weights stand for no model,
and only their number counts. Called by `cli`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from midfill_engine.exec import threads
from midfill_engine.exec.kernel_choice import is_quantised
from midfill_engine.exec.placement import ITEM_BYTES, has_gpu
from midfill_engine.exec.runner import Runner
from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.exec.work import Work
from midfill_engine.kernels.packing import packed_bytes
from midfill_engine.model.native_weights import weight_bytes
from midfill_engine.model.shapes import expected_shapes, num_parameters
from midfill_engine.model.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Stack:
    """Sizes of a stack of layers; head and embedding are one matrix."""

    hidden: int
    inner: int
    heads: int
    kv_heads: int
    layers: int
    vocab: int

    @property
    def config(self) -> dict[str, object]:
        """As a config.json."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": self.hidden,
            "intermediate_size": self.inner,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "num_hidden_layers": self.layers,
            "vocab_size": self.vocab,
            "max_position_embeddings": _CONTEXT,
            "tie_word_embeddings": True,
        }


_CONTEXT = 256
_START = 64
"""Where the timed tokens stand, so that they read some keys and values as well."""
_PROMPT_TOKENS = 64

NARROW = Stack(hidden=192, inner=384, heads=3, kv_heads=3, layers=16, vocab=256)
"""6 million weights: a layer costs its call and its threads' meetings rather than its bytes."""
WIDE = Stack(hidden=1536, inner=6144, heads=12, kv_heads=3, layers=2, vocab=256)
"""68 million weights in layers as those of a model with 1.5 billion."""
MIDDLE = Stack(hidden=896, inner=4864, heads=14, kv_heads=2, layers=2, vocab=8192)
"""37 million weights in layers as those of a model with half a billion, and a head that counts."""

_SWEPT_BYTES = 2**27
"""Read between two steps, so that no weight is in a cache then: a real model's never are."""
_STEP_S = 0.2
"""How long steps of one kind are timed, the sweeping included; a dozen of them (docs/log.md)."""
_FEWEST = 5


@dataclass(frozen=True, slots=True)
class Speed:
    """What one device does.

    A token of a model takes `layer_s` for each of its layers, and its weights' bytes over
    `bytes_per_s`; a prompt its tokens times its weights over `prompt_weights_per_s`.

    Attributes:
        device: `cpu` or `cuda`.
        kernels: what computed, in words.
        dtype: of the weights, which the engine takes there by itself.
        weight_bytes: of one weight of a layer in that dtype.
        bytes_per_s: of weights read, one token at a time.
        layer_s: seconds that a layer takes besides.
        prompt_weights_per_s: weights times tokens of a prompt.
        error: share by which the times of the three stacks were off by this, at most.
    """

    device: str
    kernels: str
    dtype: str
    weight_bytes: float
    bytes_per_s: float
    layer_s: float
    prompt_weights_per_s: float
    error: float


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU that torch can use."""

    name: str
    memory_bytes: int


def gpus() -> list[Gpu]:
    """Returns the GPUs that this process can use."""
    if not has_gpu():
        return []
    import torch

    count = torch.cuda.device_count()
    found = [cast("Any", torch.cuda).get_device_properties(idx) for idx in range(count)]
    return [Gpu(str(one.name), int(one.total_memory)) for one in found]


def num_threads() -> int:
    """Returns the threads that steps on the CPU take."""
    return threads.num_threads()


def devices() -> list[str]:
    """Returns what can be measured here, the fastest first."""
    return ["cuda", "cpu"] if has_gpu() else ["cpu"]


def measure(device: str) -> Speed:
    """Times the engine's steps on one device, which takes a second or two.

    Raises:
        EngineError: they cannot be run there, as for want of memory.
    """
    stacks = (NARROW, MIDDLE, WIDE)
    runners = [_runner(stack, device) for stack in stacks]
    sweep = _sweeper(device)
    seconds = [_seconds(_step(runner, 1), sweep) for runner in runners]
    weights = [num_parameters(runner.spec) for runner in runners]
    prompts = [_seconds(_step(runner, _PROMPT_TOKENS), sweep) for runner in runners[1:]]
    told = runners[-1].describe()
    dtype = str(told["dtype"])
    byte_s, layer_s, error = fit(
        [_bytes(runner.spec, dtype) for runner in runners],
        [stack.layers for stack in stacks],
        seconds,
    )
    return Speed(
        device=device,
        kernels=str(told["kernels"]),
        dtype=dtype,
        weight_bytes=_weight_bytes(dtype),
        bytes_per_s=1 / byte_s,
        layer_s=layer_s,
        prompt_weights_per_s=_PROMPT_TOKENS * sum(weights[1:]) / sum(prompts),
        error=error,
    )


def fit(
    sizes: Sequence[float], layers: Sequence[int], seconds: Sequence[float]
) -> tuple[float, float, float]:
    """Returns the seconds of a byte and of a layer that come nearest, and the largest error.

    Nearest in shares of each time, by least squares; a layer costs at least nothing.

    Args:
        sizes: bytes of each stack.
        layers: of each stack.
        seconds: of a token.
    """
    times = np.array(seconds)
    shares = np.column_stack([np.array(sizes) * 1e-9, np.array(layers) * 1e-3]) / times[:, None]
    costs = np.linalg.lstsq(shares, np.ones(len(times)), rcond=None)[0]
    if costs.min() < 0:  # noise: then bytes are all that can be told
        costs = np.array([shares[:, 0].sum() / (shares[:, 0] ** 2).sum(), 0.0])
    error = float(np.abs(shares @ costs - 1).max())
    return float(costs[0]) * 1e-9, float(costs[1]) * 1e-3, error


def _runner(stack: Stack, device: str) -> Runner:
    spec = ModelSpec.from_config(stack.config)
    made: dict[tuple[int, ...], npt.NDArray[np.float32]] = {}
    for shape in expected_shapes(spec).values():
        if shape not in made:
            made[shape] = _random(shape)
    tensors = {name: made[shape] for name, shape in expected_shapes(spec).items()}
    return Runner.from_parts(
        stack.config, tensors, device=device, dtype="auto", max_total_tokens=_CONTEXT
    )


def _random(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Returns one random row, repeated without memory of its own: every layer is packed from it."""
    row = np.linspace(-0.03, 0.03, shape[-1], dtype=np.float32)
    return row if len(shape) == 1 else np.broadcast_to(row, shape)


def _step(runner: Runner, num_tokens: int) -> Callable[[], None]:
    """Returns what runs some tokens of a prompt and chooses the next one.

    Every place is scored: otherwise the last layer, which may be the only one, computes the last
    token alone, and a prompt looks 4.5 times as quick as it is. What stands before is computed
    now: memory that nobody wrote may hold what is no number.
    """
    runner.run([Work(0, [7] * _START, 0)])
    work = Work(
        0,
        [7] * num_tokens,
        _START,
        sampling=SamplingParams(),
        scored_ids=[7] * (num_tokens - 1),
    )

    def step() -> None:
        runner.run([work])

    return step


def _sweeper(device: str) -> Callable[[], None]:
    """Returns what sweeps a device's caches, by reading something else.

    Reading, for lines that were written would have to go to memory while the step waits; and on a
    CPU by one thread, for others would spin on their cores for a while (docs/log.md).
    """
    return _sweep_cpu() if device == "cpu" else _sweep_gpu(device)


def _sweep_cpu() -> Callable[[], None]:
    others = np.ones(_SWEPT_BYTES // 4, np.float32)

    def sweep() -> None:
        others.sum()

    return sweep


def _sweep_gpu(device: str) -> Callable[[], None]:
    import torch

    others = torch.zeros(_SWEPT_BYTES // 4, device=device)

    def sweep() -> None:
        others.sum().item()  # waits for the end

    return sweep


def _seconds(step: Callable[[], None], sweep: Callable[[], None]) -> float:
    """Returns how long a step takes that nothing else disturbs: the quickest of several."""
    step()
    best, num_steps = math.inf, 0
    began = time.perf_counter()
    while num_steps < _FEWEST or time.perf_counter() - began < _STEP_S:
        sweep()
        before = time.perf_counter()
        step()
        best = min(best, time.perf_counter() - before)
        num_steps += 1
    return best


def _bytes(spec: ModelSpec, dtype: str) -> float:
    """Returns the bytes of a stack's weights, head and embedding as they are kept."""
    if is_quantised(dtype):
        return weight_bytes(spec, dtype)
    return num_parameters(spec) * ITEM_BYTES[dtype]


def _weight_bytes(dtype: str) -> float:
    side = 1024
    return packed_bytes(dtype, side, side) / side**2 if is_quantised(dtype) else ITEM_BYTES[dtype]
