"""The compiled library as Python sees it: opened, and its structures.

Knows nothing of models; every address that goes in is the caller's. Called by `model.native`.
"""

from __future__ import annotations

import ctypes
import logging
import os
from pathlib import Path
from typing import Final

from midfill_engine.kernels.build import BuildError, UnusableFolder
from midfill_engine.kernels.store import cache_folder, ensure_built, runs_nothing

logger = logging.getLogger(__name__)

ABI_VERSION = 9
PANEL = 32
"""Outputs that lie side by side in a packed matrix."""

PADDING = 64
"""All depths are padded to it."""

BLOCKS = {"int8": 64, "int6": 64, "int4": 32}
"""Inputs that share a scale, of weights and of the activations that they are multiplied with."""

SPAN = 64
"""Positions of an int8 cache that lie together; its heads' dimensions are padded to PANEL."""

WEIGHT_KINDS = ("float32", "bfloat16", "int8", "int6", "int4")
CACHE_KINDS: Final = ("float32", "bfloat16", "int8")
ISA_VARIABLE = "MIDFILL_CPU_ISA"
_ANEW = "delete its folder to have it compiled anew"
_ELSEWHERE = "set XDG_CACHE_HOME to a folder that can be written and run from"

_int32 = ctypes.c_int32
_int64 = ctypes.c_int64
_address = ctypes.c_void_p


class LibraryError(Exception):
    """The library cannot be had; `str(error)` is one line that says why."""


class Layer(ctypes.Structure):
    """`mf_layer` of cpu/abi.h."""

    _fields_ = (
        ("attention_norm", _address),
        ("qkv", _address),
        ("qkv_bias", _address),
        ("out", _address),
        ("out_bias", _address),
        ("mlp_norm", _address),
        ("gate_up", _address),
        ("gate_up_bias", _address),
        ("down", _address),
        ("down_bias", _address),
        ("window", _int64),
    )


class Model(ctypes.Structure):
    """`mf_model` of cpu/abi.h."""

    _fields_ = (
        ("weight_kind", _int32),
        ("head_kind", _int32),
        ("cache_kind", _int32),
        ("num_layers", _int32),
        ("hidden", _int32),
        ("intermediate", _int32),
        ("num_heads", _int32),
        ("num_kv_heads", _int32),
        ("head_dim", _int32),
        ("vocab", _int32),
        ("max_len", _int32),
        ("num_threads", _int32),
        ("eps", ctypes.c_float),
        ("score_scale", ctypes.c_float),
        ("rotations", _address),
        ("embedding", _address),
        ("head", _address),
        ("final_norm", _address),
        ("layers", ctypes.POINTER(Layer)),
    )


class Batch(ctypes.Structure):
    """`mf_batch` of cpu/abi.h."""

    _fields_ = (
        ("num_rows", _int32),
        ("num_logits", _int32),
        ("token_ids", _address),
        ("positions", _address),
        ("slots", _address),
        ("logit_rows", _address),
        ("keys", _address),
        ("values", _address),
        ("key_scales", _address),
        ("value_scales", _address),
        ("layer_stride", _int64),
        ("slot_stride", _int64),
        ("head_stride", _int64),
        ("logits", _address),
        ("best", _address),
        ("best_logprob", _address),
    )


class Drafts(ctypes.Structure):
    """`mf_drafts` of cpu/abi.h."""

    _fields_ = (
        ("text", _address),
        ("hint", _address),
        ("text_len", _int32),
        ("hint_len", _int32),
        ("hint_at", _int32),
        ("at", _int32),
        ("in_hint", _int32),
        ("agreed", _int32),
        ("rates", _address),
        ("cost_rows", _address),
        ("cost_ms", _address),
        ("num_costs", _int32),
    )


class AheadStep(ctypes.Structure):
    """`mf_ahead_step` of cpu/abi.h."""

    _fields_ = (("num_rows", _int32), ("num_tokens", _int32), ("ms", ctypes.c_double))


class Ahead(ctypes.Structure):
    """`mf_ahead` of cpu/abi.h."""

    _fields_ = (
        ("slot", _int32),
        ("last", _int32),
        ("position", _int32),
        ("most_tokens", _int32),
        ("ends", _address),
        ("interrupt", _address),
        ("budget_ms", ctypes.c_double),
        ("drafts", ctypes.POINTER(Drafts)),
        ("tokens", _address),
        ("logprobs", _address),
        ("steps", ctypes.POINTER(AheadStep)),
        ("num_tokens", _int32),
        ("num_steps", _int32),
    )


class Library:
    """The opened library."""

    def __init__(self, path: Path) -> None:
        """Opens it.

        Raises:
            LibraryError: it is not one, or another version's.
        """
        try:
            opened = ctypes.CDLL(str(path))
            version = int(opened.mf_abi_version())
        except (OSError, AttributeError) as error:
            raise LibraryError(f"{path} cannot be opened ({error})") from None
        if version != ABI_VERSION:
            raise LibraryError(f"{path} is of version {version}, not {ABI_VERSION}; delete it")
        opened.mf_instruction_sets.restype = ctypes.c_char_p
        opened.mf_create.restype = _address
        opened.mf_create.argtypes = (ctypes.POINTER(Model), ctypes.c_char_p)
        opened.mf_num_threads.argtypes = (_address,)
        opened.mf_step.restype = ctypes.c_bool
        opened.mf_step.argtypes = (_address, ctypes.POINTER(Batch))
        opened.mf_run_ahead.restype = ctypes.c_bool
        opened.mf_run_ahead.argtypes = (_address, ctypes.POINTER(Batch), ctypes.POINTER(Ahead))
        opened.mf_destroy.restype = None
        opened.mf_destroy.argtypes = (_address,)
        opened.mf_advise_huge.restype = None
        opened.mf_advise_huge.argtypes = (_address, _int64)
        self._opened = opened

    def instruction_sets(self) -> tuple[str, ...]:
        """Those that this machine runs and this build has, best first."""
        names: bytes = self._opened.mf_instruction_sets()
        return tuple(names.decode().split(","))

    def choose_instruction_set(self) -> str:
        """Returns the best, or the one that MIDFILL_CPU_ISA names.

        Raises:
            LibraryError: it names one that is not there.
        """
        there = self.instruction_sets()
        name = os.environ.get(ISA_VARIABLE) or there[0]
        if name not in there:
            raise LibraryError(f"{ISA_VARIABLE} is {name!r}; here it can be {', '.join(there)}")
        return name

    def create(self, model: Model, instruction_set: str) -> int:
        """Returns an engine's handle; the model's memory must outlive it.

        Where so many threads cannot be had it takes fewer, and the log says so.

        Raises:
            MemoryError: it does not fit.
        """
        handle = self._opened.mf_create(ctypes.byref(model), instruction_set.encode())
        if not handle:
            raise MemoryError("the native engine's memory cannot be had")
        num_threads = int(self._opened.mf_num_threads(handle))
        if num_threads < model.num_threads:
            logger.warning(
                "%d threads cannot be had, %d compute: raise the limit of threads or processes, "
                "or give --threads",
                model.num_threads,
                num_threads,
            )
        return int(handle)

    def step(self, handle: int, batch: Batch) -> None:
        """Runs one step; releases the interpreter's lock meanwhile.

        Raises:
            MemoryError: the step's scratch memory does not fit.
        """
        if not self._opened.mf_step(handle, ctypes.byref(batch)):
            raise MemoryError(f"a step of {batch.num_logits} logit rows does not fit the memory")

    def run_ahead(self, handle: int, cache: Batch, ahead: Ahead) -> None:
        """Runs steps of one sequence; releases the interpreter's lock meanwhile.

        Raises:
            MemoryError: the first step's scratch memory does not fit.
        """
        whole = self._opened.mf_run_ahead(handle, ctypes.byref(cache), ctypes.byref(ahead))
        if not whole and not ahead.num_steps:
            raise MemoryError("a step does not fit the memory")

    def destroy(self, handle: int) -> None:
        """Ends an engine's threads and frees its memory."""
        self._opened.mf_destroy(handle)

    def advise_huge(self, address: int, num_bytes: int) -> None:
        """Asks for huge pages behind an address; a hint."""
        self._opened.mf_advise_huge(address, num_bytes)


def load() -> Library:
    """Returns the library that came with the package, or else one built for this machine.

    Raises:
        LibraryError: neither can be had, or what is there does not open; with the remedy.
    """
    try:
        path = ensure_built()
    except UnusableFolder as error:
        raise LibraryError(f"{error}; {_ELSEWHERE}") from None
    except BuildError as error:
        raise LibraryError(str(error)) from None
    try:
        return Library(path)
    except LibraryError as error:
        if path.parent != cache_folder():
            raise
        remedy = _ELSEWHERE if runs_nothing(path) else _ANEW
        raise LibraryError(f"{error}; {remedy}") from None
