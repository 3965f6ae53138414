"""One model, its cache and the steps over them: what `runtime` calls on the engine thread.

Plain integers in and out. Loading happens on any thread; after that one thread calls.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch

from midfill_engine.errors import ModelError, OutOfMemory
from midfill_engine.exec.forward import Forward
from midfill_engine.exec.kernel_choice import INT8, build_forward, choose_library
from midfill_engine.exec.memory import (
    DEFAULT_CACHE_BYTES,
    WHOLE,
    MemoryNeeds,
    MemoryPart,
    MemoryPlan,
    available_bytes,
    plan_memory,
    process_bytes,
)
from midfill_engine.exec.placement import choose_device, choose_dtype, set_threads
from midfill_engine.exec.sampling_params import SampledToken
from midfill_engine.exec.work import Work
from midfill_engine.model.checkpoint import Checkpoint, FolderCheckpoint, MemoryCheckpoint
from midfill_engine.model.kv_cache import KVCache, slot_bytes
from midfill_engine.model.shapes import num_parameters
from midfill_engine.model.source import resolve
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import load_weights

DEFAULT_MAX_TOTAL_TOKENS = 8192


class Runner:
    """Runs steps of many sequences; slots are numbered [0, num_slots)."""

    def __init__(
        self,
        spec: ModelSpec,
        forward: Forward,
        cache: KVCache,
        device: torch.device,
        memory: MemoryPlan,
    ) -> None:
        """Takes parts that belong together; use `load` or `from_parts`."""
        self.spec = spec
        self.memory = memory
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
        kernels: str = "auto",
        max_total_tokens: int | None = None,
        cache_bytes: int | None = None,
        max_memory: int | None = None,
        part: MemoryPart = WHOLE,
        num_threads: int | None = None,
    ) -> Runner:
        """Loads a model and reserves its cache.

        Args:
            source: `starter`, a folder or a Hub id.
            device: `auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`.
            dtype: `auto` (float32 on the CPU, bfloat16 on a GPU), a key of `placement.DTYPES`, or
                `int8` on the CPU's native kernels.
            kernels: `auto` (native on the CPU where they can be had), `native` or `torch`.
            max_total_tokens: prompt and generated tokens per sequence; None takes the model's
                context, at most 8192.
            cache_bytes: memory for keys and values; it makes 1 to 32 slots. None takes 1 GiB, or
                half of what is free where that is less.
            max_memory: bytes that everything must stay under, on a GPU its memory; the cache then
                takes what the rest leaves.
            part: what of that is for this model, where the process holds several.
            num_threads: threads of the products, for the whole process; None takes one per
                physical core, at most OMP_NUM_THREADS.

        Raises:
            ModelError: anything that keeps the model from running, in one line.
        """
        folder = resolve(source)
        spec = ModelSpec.from_folder(folder)
        set_threads(num_threads)
        return cls._build(
            spec,
            FolderCheckpoint.open(folder),
            device=device,
            dtype=dtype,
            kernels=kernels,
            max_total_tokens=max_total_tokens,
            cache_bytes=cache_bytes,
            max_memory=max_memory,
            part=part,
        )

    @classmethod
    def from_parts(
        cls,
        config: Mapping[str, object],
        tensors: Mapping[str, torch.Tensor],
        *,
        device: str = "cpu",
        dtype: str = "auto",
        kernels: str = "auto",
        max_total_tokens: int | None = None,
        cache_bytes: int = 2**24,
    ) -> Runner:
        """As `load`, from a config.json as a mapping and tensors by their names on the Hub."""
        set_threads()
        return cls._build(
            ModelSpec.from_config(config),
            MemoryCheckpoint(tensors),
            device=device,
            dtype=dtype,
            kernels=kernels,
            max_total_tokens=max_total_tokens,
            cache_bytes=cache_bytes,
        )

    @classmethod
    def _build(
        cls,
        spec: ModelSpec,
        checkpoint: Checkpoint,
        *,
        device: str,
        dtype: str,
        kernels: str,
        max_total_tokens: int | None,
        cache_bytes: int | None,
        max_memory: int | None = None,
        part: MemoryPart = WHOLE,
    ) -> Runner:
        place = choose_device(device)
        kind = choose_dtype("float32" if dtype == INT8 else dtype, place)
        library = choose_library(kernels, spec, kind, place)
        max_len = _context(spec, max_total_tokens)
        slot = slot_bytes(spec, max_len, kind)
        memory = _plan(
            MemoryNeeds.of(spec, slot, kind.itemsize, int8=dtype == INT8),
            place,
            cache_bytes,
            max_memory,
            part,
        )
        try:
            forward = build_forward(
                spec,
                partial(load_weights, spec, checkpoint, kind, place),
                library,
                dtype=kind,
                int8=dtype == INT8,
                device=place,
                max_len=max_len,
            )
            cache = KVCache(spec, memory.num_slots, max_len, kind, place)
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            raise ModelError(
                f"{num_parameters(spec):,} parameters in {kind} and a context of {max_len} do not "
                f"fit the memory of {place}; take a smaller model, dtype or context"
            ) from None
        return cls(spec, forward, cache, place, memory)

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

    def describe(self) -> dict[str, object]:
        """Returns what `/info` tells of the model and of what runs it."""
        return {
            "architecture": self.spec.architecture,
            "parameters": num_parameters(self.spec),
            "dtype": self._forward.weights,
            "device": str(self._device),
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
            EngineError: see `sampling.sample`; the same holds.
        """
        with _memory_errors(sum(len(work.token_ids) for work in works)):
            return self._forward.run(works, self._cache)

    def copy_prefix(self, src: int, dst: int, length: int) -> None:
        """Copies keys and values of positions [0, length) of one slot to another."""
        self._cache.copy_prefix(src, dst, length)


def _plan(
    needs: MemoryNeeds,
    place: torch.device,
    cache_bytes: int | None,
    max_memory: int | None,
    part: MemoryPart,
) -> MemoryPlan:
    on_gpu = place.type == "cuda"
    process = part.taken
    if process is None:
        process = 0 if on_gpu else process_bytes()
    if cache_bytes is None:
        free = torch.cuda.mem_get_info(place)[0] if on_gpu else available_bytes()
        most = DEFAULT_CACHE_BYTES if free is None else free // 2
        cache_bytes = min(DEFAULT_CACHE_BYTES, most)
    limit = None if max_memory is None else part.limit(process, max_memory)
    return plan_memory(needs, process=process, limit=limit, cache=part.of(cache_bytes))


def _context(spec: ModelSpec, max_total_tokens: int | None) -> int:
    longest = spec.max_position_embeddings
    if max_total_tokens is None:
        return min(longest, DEFAULT_MAX_TOTAL_TOKENS)
    if not 1 <= max_total_tokens <= longest:
        raise ModelError(
            f"--max-context {max_total_tokens} is outside 1 to {longest}, the model's context"
        )
    return max_total_tokens


@contextmanager
def _memory_errors(num_tokens: int) -> Generator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise OutOfMemory(
            f"out of memory while computing {num_tokens} tokens; shorten the prompt"
        ) from error


def _out_of_memory(error: Exception) -> bool:
    """Whether it is one: torch's CPU allocator raises a plain RuntimeError."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in str(
        error
    )
