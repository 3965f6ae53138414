"""The decoder on the engine's own CPU kernels: packs a model's weights, runs whole steps.

The same arithmetic as `decoder`, on a cache of the same layout, in one call per step, without
torch. A row's result does not depend on the rows beside it or on the number of threads. Called by
`exec.forward`.
"""

from __future__ import annotations

import os
import weakref
from array import array

import numpy as np

from midfill_engine.errors import ModelError
from midfill_engine.kernels.library import CACHE_KINDS, Batch, Library, LibraryError, load
from midfill_engine.model.ahead import Ahead, StepMade
from midfill_engine.model.arrays import ModelArrays
from midfill_engine.model.native_ahead import run_ahead
from midfill_engine.model.native_cache import CacheKind, NativeCache
from midfill_engine.model.native_rows import Outcome, Rows, check_rows
from midfill_engine.model.native_weights import WeightKind, pack_model
from midfill_engine.model.spec import ModelSpec

_MAX_HEAD_DIM = 256
_MAX_WIDTH = 2**20
"""Of a matrix: the threads' pool numbers its pieces of 32 outputs with 16 bits."""


def unsupported(spec: ModelSpec) -> str | None:
    """Returns why the kernels cannot run a model, or None."""
    if spec.num_experts is not None:
        return "a mixture of experts"
    if spec.head_dim > _MAX_HEAD_DIM:
        return f"heads of {spec.head_dim} dimensions, over {_MAX_HEAD_DIM}"
    for name, width in (
        ("vocabulary", spec.vocab_size),
        ("matrix of gates and ups", 2 * spec.intermediate_size),
    ):
        if width > _MAX_WIDTH:
            return f"a {name} of {width}, over {_MAX_WIDTH}"
    return None


def open_library() -> Library | str:
    """Returns the library, or in one line why it cannot be had."""
    try:
        return load()
    except LibraryError as error:
        return str(error)


class NativeDecoder:
    """What `Decoder` is, with weights of any `WeightKind` on the CPU; one thread calls."""

    def __init__(
        self,
        spec: ModelSpec,
        weights: ModelArrays,
        library: Library,
        *,
        kind: WeightKind = "float32",
        cache_kind: CacheKind = "float32",
        max_len: int | None = None,
        num_threads: int = 1,
        instruction_set: str | None = None,
    ) -> None:
        """Packs the weights and starts the threads.

        Args:
            spec: a model for which `unsupported` is None.
            weights: as `stream_arrays` gives them.
            library: from `open_library`.
            kind: what the matrices are kept in; all else is float32. With int4, head and
                embedding are in int8.
            cache_kind: of the caches that `step` will be given.
            max_len: positions [0, max_len) can be run; None takes max_position_embeddings.
            num_threads: of the steps, the caller's included.
            instruction_set: one of the library's; None takes the best, or MIDFILL_CPU_ISA's.

        Raises:
            ModelError: the model or a setting is not one of these.
            MemoryError: it does not fit.
        """
        self.spec = spec
        self.kind = kind
        self.cache_kind: CacheKind = cache_kind
        self.max_len = max_len or spec.max_position_embeddings
        reason = unsupported(spec)
        if reason is not None:
            raise ModelError(f"the native kernels cannot run {reason}; use the torch decoder")
        if cache_kind not in CACHE_KINDS:
            raise ModelError(f"the native kernels cannot keep a cache of {cache_kind}")
        if num_threads < 1:
            raise ModelError(f"{num_threads} threads cannot run; use 1 or more")
        try:
            self.instruction_set = instruction_set or library.choose_instruction_set()
        except LibraryError as error:
            raise ModelError(str(error)) from None
        self._library = library
        self._packed = pack_model(spec, weights, library, kind, self.max_len, num_threads)
        model = self._packed.model
        model.cache_kind = CACHE_KINDS.index(cache_kind)
        model.num_threads = num_threads
        self._handle = library.create(model, self.instruction_set)
        self._end = weakref.finalize(self, _end, library, self._handle, os.getpid())

    @property
    def num_bytes(self) -> int:
        """Memory of the packed weights."""
        return self._packed.num_bytes

    def close(self) -> None:
        """Ends the threads; nothing can be run any more."""
        self._end()

    def step(self, rows: Rows, cache: NativeCache, *, keep_logits: bool) -> Outcome:
        """Runs the rows; returns what is best behind each of rows.logit_rows.

        Raises:
            ValueError: the rows do not fit each other, the model or the cache.
            MemoryError: the logits do not fit.
        """
        self._check_cache(cache)
        check_rows(rows, self.spec.vocab_size, min(self.max_len, cache.max_len), cache.num_slots)
        num_logits = len(rows.logit_rows)
        logits = None
        if keep_logits:
            logits = np.empty((num_logits, self.spec.vocab_size), np.float32)
        best, logprobs = array("i", bytes(4 * num_logits)), array("f", bytes(4 * num_logits))
        kept = [array("i", part) for part in (rows.token_ids, rows.positions, rows.slots)]
        kept.append(array("i", rows.logit_rows))
        token_ids, positions, slots, logit_rows = (part.buffer_info()[0] for part in kept)
        batch = _cache_batch(cache)
        batch.num_rows, batch.num_logits = len(rows.token_ids), num_logits
        batch.token_ids, batch.positions, batch.slots = token_ids, positions, slots
        batch.logit_rows = logit_rows
        batch.logits = None if logits is None else logits.ctypes.data
        batch.best, batch.best_logprob = best.buffer_info()[0], logprobs.buffer_info()[0]
        self._library.step(self._handle, batch)
        return Outcome(best.tolist(), logprobs.tolist(), logits)

    def run_ahead(self, ahead: Ahead, cache: NativeCache) -> list[StepMade]:
        """Runs steps of one sequence, see `Ahead`.

        Raises:
            ValueError: they do not fit the model or the cache.
            MemoryError: the first of them does not fit.
        """
        self._check_cache(cache)
        most = min(self.max_len, cache.max_len) - ahead.position
        inputs = Rows([ahead.last], [ahead.position], [ahead.slot], [0])
        check_rows(inputs, self.spec.vocab_size, ahead.position + most, cache.num_slots)
        if not 0 < ahead.most_tokens <= most:
            raise ValueError(f"{ahead.most_tokens} tokens ahead; there is room for {most}")
        return run_ahead(
            self._library, self._handle, ahead, _cache_batch(cache), self.spec.vocab_size
        )

    def _check_cache(self, cache: NativeCache) -> None:
        if not self._end.alive:
            raise ValueError("the native decoder is closed")
        spec = self.spec
        shape = (spec.num_layers, cache.num_slots, spec.num_kv_heads, cache.max_len, spec.head_dim)
        fits = cache.shape == shape and cache.kind == self.cache_kind
        if not fits or not all(half.flags.c_contiguous for half in (cache.keys, cache.values)):
            raise ValueError(
                f"a cache {cache.shape} of {cache.kind}; "
                f"this model needs {shape} of {self.cache_kind}, contiguous"
            )


def _end(library: Library, handle: int, process: int) -> None:
    """Ends an engine, in the process that made it: a fork has none of its threads to wait for."""
    if os.getpid() == process:
        library.destroy(handle)


def _cache_batch(cache: NativeCache) -> Batch:
    """Returns a step's structure with nothing in it but the cache."""
    keys, values, key_scales, value_scales = cache.addresses
    layer_stride, slot_stride, head_stride = cache.strides
    return Batch(
        keys=keys,
        values=values,
        key_scales=key_scales,
        value_scales=value_scales,
        layer_stride=layer_stride,
        slot_stride=slot_stride,
        head_stride=head_stride,
    )
