"""One model, its cache and the steps over them: what `runtime` calls on the engine thread.

Plain integers in and out. Loading happens on any thread; after that one thread calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from midfill_engine.exec.build import Wanted, build
from midfill_engine.exec.forward import Cache, Forward, NativeForward
from midfill_engine.exec.memory import WHOLE, MemoryPart, MemoryPlan
from midfill_engine.exec.sampling_params import SampledToken
from midfill_engine.exec.step_errors import step_errors
from midfill_engine.exec.threads import set_threads
from midfill_engine.exec.work import Work
from midfill_engine.model.ahead import Ahead, RunAhead, StepMade
from midfill_engine.model.checkpoint import (
    Checkpoint,
    FolderCheckpoint,
    MemoryCheckpoint,
    Stored,
)
from midfill_engine.model.progress import OnProgress, untold
from midfill_engine.model.shapes import num_parameters
from midfill_engine.model.source import resolve
from midfill_engine.model.spec import ModelSpec

if TYPE_CHECKING:
    import torch


class Runner:
    """Runs steps of many sequences; slots are numbered [0, num_slots)."""

    def __init__(
        self,
        spec: ModelSpec,
        forward: Forward,
        cache: Cache,
        device: str,
        memory: MemoryPlan,
        dtype_reason: str = "asked for",
    ) -> None:
        """Takes parts that belong together; use `load` or `from_parts`."""
        self.spec = spec
        self.memory = memory
        self._dtype_reason = dtype_reason
        self._forward = forward
        self._cache = cache
        self._device = device

    @classmethod
    def load(
        cls,
        source: str,
        *,
        device: str = "auto",
        dtype: str = "auto",
        cache_dtype: str = "auto",
        kernels: str = "auto",
        attention: str = "auto",
        max_total_tokens: int | None = None,
        cache_bytes: int | None = None,
        max_memory: int | None = None,
        part: MemoryPart = WHOLE,
        num_threads: int | None = None,
        on_progress: OnProgress = untold,
    ) -> Runner:
        """Loads a model and reserves its cache.

        Args:
            source: `starter`, a folder or a Hub id.
            device: `auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`.
            dtype: `auto` (see `kernel_choice.choose`), a key of `placement.ITEM_BYTES`, `int8` on
                kernels of our own, `int6` or `int4` on the CPU's, or `fp8` on a GPU's.
            cache_dtype: `auto` or a `CacheKind`, for the CPU's kernels.
            kernels: `auto` (our own where they can be had), `native` (an error where they cannot)
                or `torch`.
            attention: a key of `gpu_choice.ATTENTIONS`, for a GPU.
            max_total_tokens: prompt and generated tokens per sequence; None takes the model's
                context, at most 8192.
            cache_bytes: memory for keys and values; it makes 1 to 32 slots. None takes 1 GiB, or
                half of what is free where that is less; on a GPU three quarters
                of what the weights leave.
            max_memory: bytes that everything must stay under, on a GPU its memory; the cache then
                takes what the rest leaves.
            part: what of that is for this model, where the process holds several.
            num_threads: threads of the products, of every model loaded from now on; None takes
                one per physical core, at most OMP_NUM_THREADS.
            on_progress: told of the weights that are read.

        Raises:
            ModelError: anything that keeps the model from running, in one line.
        """
        folder = resolve(source)
        spec = ModelSpec.from_folder(folder)
        set_threads(num_threads)
        wanted = Wanted(
            device=device,
            dtype=dtype,
            cache_dtype=cache_dtype,
            kernels=kernels,
            attention=attention,
            max_total_tokens=max_total_tokens,
            cache_bytes=cache_bytes,
            max_memory=max_memory,
            part=part,
        )
        return cls._of(spec, FolderCheckpoint.open(folder, on_progress), wanted)

    @classmethod
    def from_parts(
        cls,
        config: Mapping[str, object],
        tensors: Mapping[str, torch.Tensor | Stored],
        *,
        device: str = "cpu",
        dtype: str = "float32",
        kernels: str = "auto",
        max_total_tokens: int | None = None,
        cache_bytes: int = 2**24,
    ) -> Runner:
        """As `load`, from a config.json as a mapping and tensors by their names on the Hub.

        For comparisons, hence in float32 unless asked otherwise.
        """
        set_threads()
        wanted = Wanted(
            device=device,
            dtype=dtype,
            kernels=kernels,
            max_total_tokens=max_total_tokens,
            cache_bytes=cache_bytes,
        )
        return cls._of(ModelSpec.from_config(config), MemoryCheckpoint(tensors), wanted)

    @classmethod
    def _of(cls, spec: ModelSpec, checkpoint: Checkpoint, wanted: Wanted) -> Runner:
        built = build(spec, checkpoint, wanted)
        return cls(spec, built.forward, built.cache, built.device, built.memory, built.dtype_reason)

    @property
    def num_slots(self) -> int:
        """Number of sequences that fit the cache."""
        return self._cache.num_slots

    @property
    def max_total_tokens(self) -> int:
        """Prompt and generated tokens that fit one slot."""
        return self._cache.max_len

    @property
    def vocab_size(self) -> int:
        """Rows of the embedding: token ids are [0, vocab_size)."""
        return self.spec.vocab_size

    @property
    def exact(self) -> bool:
        """Whether a row's numbers are the same however many rows share the step."""
        return self._forward.exact

    @property
    def max_rows(self) -> int | None:
        """Rows that one step holds, more of them take several; None where any number is one."""
        return self._forward.max_rows

    def describe(self) -> dict[str, object]:
        """Returns what `/info` tells of the model and of what runs it."""
        return {
            "architecture": self.spec.architecture,
            "parameters": num_parameters(self.spec),
            "dtype": self._forward.weights,
            "dtype_reason": self._dtype_reason,
            "device": self._device,
            "attention": self._forward.attention,
            "kernels": self._forward.kernels,
        }

    def run(self, works: Sequence[Work]) -> list[list[SampledToken]]:
        """Runs one step of several sequences, each in a slot of its own.

        Returns:
            For each work its scored tokens, then those chosen at the end of its inputs and behind
            each draft token that stood: 1 to 1 + num_drafts; none where nothing is to be chosen.

        Raises:
            OutOfMemory: it did not fit; every slot's [0, start) is still valid.
            DeviceLost: nothing can be computed any more.
            EngineError: see `sampling.sample`; the same holds.
        """
        with step_errors(sum(len(work.token_ids) for work in works), self._device):
            return self._forward.run(works)

    @property
    def run_ahead(self) -> RunAhead | None:
        """Runs steps of one sequence that follow each other, as `run` one after the other.

        None where a step is no single call. Raises OutOfMemory where the first does not fit.
        """
        forward = self._forward
        if not isinstance(forward, NativeForward):
            return None

        def run(ahead: Ahead) -> list[StepMade]:
            with step_errors(1, self._device):
                return forward.run_ahead(ahead)

        return run

    def copy_prefix(self, src: int, dst: int, length: int) -> None:
        """Copies keys and values of positions [0, length) of one slot to another."""
        with step_errors(length, self._device):
            self._cache.copy_prefix(src, dst, length)
