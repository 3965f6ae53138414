"""What `bench/engine.py` compares: the engine's runner and transformers' `generate`.

The runner on its own kernels and on torch; llama.cpp stands in `bench.llama`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import torch

from midfill_engine.exec.runner import Runner
from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.exec.work import Work


@dataclass(slots=True)
class Trace:
    """Tokens of one completion and the seconds at which each was there, from its start.

    Attributes:
        computed: prompt tokens that had to be computed.
    """

    computed: int
    begin: float = field(default_factory=time.perf_counter)
    tokens: list[int] = field(default_factory=list[int])
    seconds: list[float] = field(default_factory=list[float])

    def add(self, token: int) -> None:
        """Notes a token at the moment of the call."""
        self.tokens.append(token)
        self.seconds.append(time.perf_counter() - self.begin)


class Contender(Protocol):
    """One implementation in one dtype."""

    name: str

    def complete(self, prompt: Sequence[int], count: int, known: int) -> Trace:
        """Returns `count` greedy tokens after `prompt`.

        The prompt's first `known` tokens were the last call's, if it can make use of that.
        """
        ...


class Midfill:
    """The engine's runner, without the process around it and without speculation."""

    kernels = "native"
    label = "midfill"

    def __init__(self, folder: Path, dtype: str, context: int) -> None:
        """Loads the model with one slot."""
        self.name = f"{self.label} {dtype}"
        self._runner = Runner.load(
            str(folder), device="cpu", dtype=dtype, kernels=self.kernels,
            max_total_tokens=context, cache_bytes=0,
        )  # fmt: skip

    def complete(self, prompt: Sequence[int], count: int, known: int) -> Trace:
        """Computes the prompt from `known` on."""
        trace = Trace(computed=len(prompt) - known)
        chunk, start = prompt[known:], known
        while len(trace.tokens) < count:
            ((token,),) = self._runner.run([Work(0, chunk, start, sampling=SamplingParams())])
            trace.add(token.token_id)
            chunk, start = [token.token_id], start + len(chunk)
        return trace


class MidfillTorch(Midfill):
    """The same on plain torch: what runs where there is no C++ compiler."""

    kernels = "torch"
    label = "midfill-torch"


class Transformers:
    """`generate` with SDPA attention; it keeps nothing between calls, so every prompt is cold."""

    def __init__(self, folder: Path, dtype: str, context: int) -> None:
        """Loads the model; `context` is not needed."""
        self.name = f"transformers {dtype}"
        self._model = (
            _transformers()
            .AutoModelForCausalLM.from_pretrained(
                folder, dtype=dtype, attn_implementation="sdpa", local_files_only=True
            )
            .eval()
        )
        # The model's end of text is ignored on both sides, so that both make as many tokens.
        self._model.generation_config.eos_token_id = None

    def complete(self, prompt: Sequence[int], count: int, known: int) -> Trace:
        """Computes the whole prompt."""
        ids = torch.tensor([list(prompt)])
        trace = Trace(computed=len(prompt))
        self._model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=count,
            do_sample=False,
            pad_token_id=0,
            streamer=_Streamer(trace),
        )
        return trace


class _Streamer:
    """Notes tokens as `generate` hands them out: first the prompt, then one by one."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if self._prompt_seen:
            self._trace.add(int(value.reshape(-1)[0]))
        self._prompt_seen = True

    def end(self) -> None:
        pass


def _transformers() -> Any:  # noqa: ANN401  # it exports lazily, which type checkers cannot follow
    """Returns the library, imported late: it must not count as the engine's memory."""
    import transformers

    return cast("Any", transformers)


KINDS: Mapping[str, Callable[[Path, str, int], Contender]] = {
    "midfill": Midfill,
    "midfill-torch": MidfillTorch,
    "transformers": Transformers,
}


SHAPES: dict[str, dict[str, int]] = {
    "8m": {"hidden": 288, "inner": 768, "layers": 8, "heads": 9, "kv_heads": 3, "vocab": 6144},
    "30m": {"hidden": 512, "inner": 1408, "layers": 10, "heads": 8, "kv_heads": 4, "vocab": 8192},
    "160m": {"hidden": 768, "inner": 2048, "layers": 24, "heads": 12, "kv_heads": 4, "vocab": 8192},
    "0.5b": {
        "hidden": 896,
        "inner": 4864,
        "layers": 24,
        "heads": 14,
        "kv_heads": 2,
        "vocab": 151936,
    },
}


def write_random(folder: Path, name: str) -> None:
    """Writes a random Llama of one of `SHAPES`, wide enough that greedy tokens are no near-ties."""
    shape = SHAPES[name]
    cast("Any", torch).manual_seed(0)
    library = _transformers()
    config = library.LlamaConfig(
        hidden_size=shape["hidden"],
        intermediate_size=shape["inner"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["kv_heads"],
        vocab_size=shape["vocab"],
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        initializer_range=0.05,
    )
    library.LlamaForCausalLM(config).save_pretrained(folder)
