"""The kernels' library in another process, as an emulator runs it: a `Library` for the tests.

What a call points to is copied into memory that both processes see, and what it writes is copied
back, so that the decoder and the tests notice nothing. Both machines are 64-bit and little-endian,
with the same layout of structures.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from midfill_engine.kernels.library import (
    ABI_VERSION,
    PANEL,
    WEIGHT_KINDS,
    Ahead,
    AheadStep,
    Batch,
    Drafts,
    Layer,
    Library,
    Model,
)
from midfill_engine.kernels.packing import num_panels, packed_bytes, padded

_SHARED_BYTES = 256 << 20
_CACHE_WIDTHS = (4, 2, 1)  # bytes of a number, by cache_kind
_CACHE_INT8 = 2


class RemoteLibrary(Library):
    """The library's calls, made in a process that `remote.cpp` was compiled for."""

    def __init__(self, command: Sequence[str], shared: Path) -> None:
        """Starts the process; `close` ends it.

        Args:
            command: what to run.
            shared: a file to be made, in which both sides see the same memory.
        """
        with shared.open("w+b") as file:
            file.truncate(_SHARED_BYTES)
            self._shared = mmap.mmap(file.fileno(), _SHARED_BYTES)
        self._here = ctypes.addressof(ctypes.c_char.from_buffer(self._shared))
        self._used = 0
        self._models: dict[int, Model] = {}
        self._process = subprocess.Popen(
            [*command, str(shared)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._there = self._answer()
        assert self._call("v") == ABI_VERSION

    def close(self) -> None:
        """Ends the process."""
        with self._process as process:
            process.communicate(timeout=10)
        assert process.returncode == 0

    def instruction_sets(self) -> tuple[str, ...]:
        before = self._used
        length = self._call("n", self._put(bytes(100)), 100)
        self._used = before
        return tuple(ctypes.string_at(self._here + before, length).decode().split(","))

    def create(self, model: Model, instruction_set: str) -> int:
        there = Model.from_buffer_copy(model)
        layers = (Layer * model.num_layers)()
        for mine, its in zip(model.layers[: model.num_layers], layers, strict=True):
            self._put_layer(model, mine, its)
        there.layers = ctypes.cast(self._put(bytes(layers)), ctypes.POINTER(Layer))
        there.rotations = self._copy(model.rotations, 4 * model.max_len * model.head_dim)
        there.final_norm = self._copy(model.final_norm, 4 * padded(model.hidden))
        num_bytes = packed_bytes(_kind(model.head_kind), model.hidden, model.vocab)
        there.head = self._copy(model.head, num_bytes)
        there.embedding = self._copy(model.embedding, num_bytes)
        name = self._put(instruction_set.encode() + b"\0")
        handle = self._call("c", self._put(bytes(there)), name)
        assert handle
        self._models[handle] = Model.from_buffer_copy(model)
        return handle

    def _put_layer(self, model: Model, mine: Layer, its: Layer) -> None:
        kind = _kind(model.weight_kind)
        heads = model.num_heads * model.head_dim
        for name, inputs, outputs in (
            ("qkv", model.hidden, heads + 2 * model.num_kv_heads * model.head_dim),
            ("out", heads, model.hidden),
            ("gate_up", model.hidden, 2 * padded(model.intermediate)),
            ("down", model.intermediate, model.hidden),
        ):
            num_bytes, bias = packed_bytes(kind, inputs, outputs), f"{name}_bias"
            setattr(its, name, self._copy(getattr(mine, name), num_bytes))
            setattr(its, bias, self._copy(getattr(mine, bias), 4 * padded(outputs)))
        for name in ("attention_norm", "mlp_norm"):
            setattr(its, name, self._copy(getattr(mine, name), 4 * padded(model.hidden)))
        its.window = mine.window

    def step(self, handle: int, batch: Batch) -> None:
        model, before = self._models[handle], self._used
        inputs = {name: 4 * batch.num_rows for name in ("token_ids", "positions", "slots")}
        inputs["logit_rows"] = 4 * batch.num_logits
        outputs = {
            **_cache_bytes(model, batch),
            "logits": 4 * batch.num_logits * model.vocab,
            "best": 4 * batch.num_logits,
            "best_logprob": 4 * batch.num_logits,
        }
        there = Batch.from_buffer_copy(batch)
        self._lend(batch, there, inputs | outputs)
        assert self._call("s", handle, self._put(bytes(there)))
        self._take_back(batch, there, outputs)
        self._used = before

    def run_ahead(self, handle: int, cache: Batch, ahead: Ahead) -> None:
        model, before = self._models[handle], self._used
        cache_there, there = Batch.from_buffer_copy(cache), Ahead.from_buffer_copy(ahead)
        self._lend(cache, cache_there, _cache_bytes(model, cache))
        if ahead.drafts:
            drafts = Drafts.from_buffer_copy(ahead.drafts.contents)
            self._lend(ahead.drafts.contents, drafts, _drafts_bytes(drafts))
            there.drafts = ctypes.cast(self._put(bytes(drafts)), ctypes.POINTER(Drafts))
        outputs = {
            "tokens": 4 * ahead.most_tokens,
            "logprobs": 4 * ahead.most_tokens,
            "steps": ctypes.sizeof(AheadStep) * ahead.most_tokens,
        }
        self._lend(ahead, there, {"ends": model.vocab, "interrupt": 4} | outputs)
        at = self._put(bytes(there))
        name = self._put(struct.pack("<qq", self._put(bytes(cache_there)), at))
        assert self._call("a", handle, name)
        told = Ahead.from_address(self._here + at - self._there)
        ahead.num_tokens, ahead.num_steps = told.num_tokens, told.num_steps
        self._take_back(cache, cache_there, _cache_bytes(model, cache))
        self._take_back(ahead, there, outputs)
        self._used = before

    def destroy(self, handle: int) -> None:
        if self._process.poll() is None:
            self._call("d", handle)
        del self._models[handle]
        if not self._models:
            self._used = 0

    def advise_huge(self, address: int, num_bytes: int) -> None:
        """There is nothing to ask: the memory is copied."""

    def _lend(
        self, mine: ctypes.Structure, its: ctypes.Structure, sizes: Mapping[str, int]
    ) -> None:
        """Copies over what a structure points to, by its fields' names, in bytes."""
        for name, num_bytes in sizes.items():
            _pointer(its, name).value = self._copy(_pointer(mine, name).value, num_bytes)

    def _take_back(
        self, mine: ctypes.Structure, its: ctypes.Structure, sizes: Mapping[str, int]
    ) -> None:
        """Copies back what was written there."""
        for name, num_bytes in sizes.items():
            to, source = _pointer(mine, name).value, _pointer(its, name).value
            if to is not None and source is not None:
                ctypes.memmove(to, self._here + source - self._there, num_bytes)

    def _copy(self, address: int | None, num_bytes: int) -> int | None:
        """Copies memory over; returns where it is there, None for none."""
        if address is None:
            return None
        at, self._used = self._used, self._used + (num_bytes + 127) // 64 * 64
        assert self._used <= _SHARED_BYTES, "too large for what is shared"
        ctypes.memmove(self._here + at, address, num_bytes)
        return self._there + at

    def _put(self, data: bytes) -> int:
        kept = ctypes.create_string_buffer(data, len(data))
        return cast("int", self._copy(ctypes.addressof(kept), len(data)))

    def _call(self, name: str, first: int = 0, second: int = 0) -> int:
        to = self._process.stdin
        assert to is not None
        to.write(struct.pack("<qqq", ord(name), first, second))
        to.flush()
        return self._answer()

    def _answer(self) -> int:
        source = self._process.stdout
        assert source is not None
        found = source.read(8)
        if len(found) < 8:
            raise RuntimeError(f"the other process ended with status {self._process.wait(10)}")
        (number,) = struct.unpack("<q", found)
        return int(number)


def _kind(number: int) -> str:
    return WEIGHT_KINDS[number]


def _pointer(structure: ctypes.Structure, name: str) -> ctypes.c_void_p:
    """A pointer's field itself, whatever it points to."""
    offset: int = getattr(type(structure), name).offset
    return ctypes.c_void_p.from_buffer(structure, offset)


def _cache_bytes(model: Model, batch: Batch) -> dict[str, int]:
    numbers = batch.layer_stride * model.num_layers
    heads = numbers // (num_panels(model.head_dim) * PANEL)
    scales = 4 * heads if model.cache_kind == _CACHE_INT8 else 0
    width = _CACHE_WIDTHS[model.cache_kind]
    return {
        "keys": numbers * width,
        "values": numbers * width,
        "key_scales": scales,
        "value_scales": scales,
    }


def _drafts_bytes(drafts: Drafts) -> dict[str, int]:
    return {
        "text": 4 * drafts.text_len,
        "hint": 4 * drafts.hint_len,
        "rates": 4 * 18,
        "cost_rows": 4 * drafts.num_costs,
        "cost_ms": 8 * drafts.num_costs,
    }
