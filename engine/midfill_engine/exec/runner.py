"""One model, its cache and the steps over them: what `runtime` calls on the engine thread.

Plain integers in and out. Loading happens on any thread; after that one thread calls.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

import torch

from midfill_engine.errors import ModelError, OutOfMemory
from midfill_engine.exec.placement import choose_device, choose_dtype, set_threads
from midfill_engine.exec.sampling import sample
from midfill_engine.exec.sampling_params import SampledToken, SamplingParams
from midfill_engine.model.checkpoint import Checkpoint, FolderCheckpoint, MemoryCheckpoint
from midfill_engine.model.decoder import Decoder
from midfill_engine.model.kv_cache import KVCache, slot_bytes
from midfill_engine.model.shapes import num_parameters
from midfill_engine.model.source import resolve
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import load_weights

MAX_SLOTS = 8
DEFAULT_MAX_TOTAL_TOKENS = 8192


class Runner:
    """Runs single sequences step by step; slots are numbered [0, num_slots)."""

    def __init__(self, decoder: Decoder, cache: KVCache) -> None:
        """Takes parts that belong together; use `load` or `from_parts`."""
        self._decoder = decoder
        self._cache = cache

    @classmethod
    def load(
        cls,
        source: str,
        *,
        device: str = "auto",
        dtype: str = "auto",
        max_total_tokens: int | None = None,
        cache_bytes: int = 2**30,
        num_threads: int | None = None,
    ) -> Runner:
        """Loads a model and reserves its cache.

        Args:
            source: `starter`, a folder or a Hub id.
            device: `auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`.
            dtype: `auto` (float32 on the CPU, bfloat16 on a GPU) or a key of `placement.DTYPES`.
            max_total_tokens: prompt and generated tokens per sequence; None takes the model's
                context, at most 8192.
            cache_bytes: memory for keys and values; it makes 1 to 8 slots.
            num_threads: torch's threads, for the whole process; None takes one per physical core,
                at most OMP_NUM_THREADS.

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
            max_total_tokens=max_total_tokens,
            cache_bytes=cache_bytes,
        )

    @classmethod
    def from_parts(
        cls,
        config: Mapping[str, object],
        tensors: Mapping[str, torch.Tensor],
        *,
        device: str = "cpu",
        dtype: str = "auto",
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
        max_total_tokens: int | None,
        cache_bytes: int,
    ) -> Runner:
        place = choose_device(device)
        kind = choose_dtype(dtype, place)
        max_len = _context(spec, max_total_tokens)
        num_slots = min(max(cache_bytes // slot_bytes(spec, max_len, kind), 1), MAX_SLOTS)
        try:
            weights = load_weights(spec, checkpoint, kind, place)
            cache = KVCache(spec, num_slots, max_len, kind, place)
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            raise ModelError(
                f"{num_parameters(spec):,} parameters in {kind} and a context of {max_len} do not "
                f"fit the memory of {place}; take a smaller model, dtype or context"
            ) from None
        return cls(Decoder(spec, weights, kind, place, max_len), cache)

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
    def spec(self) -> ModelSpec:
        """The model's shape."""
        return self._decoder.spec

    def describe(self) -> dict[str, object]:
        """Returns what `/info` tells: architecture, parameters, dtype, device, attention."""
        device = self._decoder.device
        grouped = device.type == "cpu" and self._decoder.dtype == torch.float32
        return {
            "architecture": self.spec.architecture,
            "parameters": num_parameters(self.spec),
            "dtype": str(self._decoder.dtype).removeprefix("torch."),
            "device": str(device),
            "attention": "grouped+sdpa" if grouped else "sdpa",
        }

    def prefill(self, slot: int, token_ids: Sequence[int], start: int) -> None:
        """Writes keys and values of `token_ids` at [start, start + len) of the slot.

        Raises:
            OutOfMemory: it did not fit; the slot's [0, start) is still valid.
        """
        with _memory_errors(len(token_ids)):
            self._decoder.forward(self._tensor(token_ids), start, self._cache, slot, 0)

    def step(
        self,
        slot: int,
        token_ids: Sequence[int],
        start: int,
        sampling: SamplingParams,
        prompt_ids: Sequence[int],
        generated_ids: Sequence[int],
        allowed: Sequence[int] | None = None,
    ) -> SampledToken:
        """Runs `token_ids` at [start, start + len) and returns the token that follows.

        Args:
            slot: whose keys and values.
            token_ids: what to run, at least one.
            start: where; the slot's [0, start) is valid.
            sampling: how to choose.
            prompt_ids: see `sample`.
            generated_ids: see `sample`.
            allowed: ids that the token must be one of; None: any.

        Raises:
            OutOfMemory: it did not fit; the slot's [0, start) is still valid.
        """
        with _memory_errors(len(token_ids)):
            logits = self._decoder.forward(self._tensor(token_ids), start, self._cache, slot, 1)
            position = start + len(token_ids)
            return sample(logits[0], sampling, prompt_ids, generated_ids, position, allowed)

    def copy_prefix(self, src: int, dst: int, length: int) -> None:
        """Copies keys and values of positions [0, length) of one slot to another."""
        self._cache.copy_prefix(src, dst, length)

    def _tensor(self, token_ids: Sequence[int]) -> torch.Tensor:
        return torch.tensor(token_ids, dtype=torch.int64, device=self._decoder.device)


def _context(spec: ModelSpec, max_total_tokens: int | None) -> int:
    longest = spec.max_position_embeddings
    if max_total_tokens is None:
        return min(longest, DEFAULT_MAX_TOTAL_TOKENS)
    if not 1 <= max_total_tokens <= longest:
        raise ModelError(
            f"max_total_tokens {max_total_tokens} is outside 1 to {longest}, the model's context"
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
