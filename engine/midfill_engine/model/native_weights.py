"""A model's weights as the native kernels take them: one block of packed matrices, and a table.

Called by `native`.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from midfill_engine.kernels.library import PANEL, WEIGHT_KINDS, Layer, Library, Model
from midfill_engine.kernels.packing import (
    Bytes,
    Floats,
    interleave_gates,
    pack,
    packed_bytes,
    padded,
)
from midfill_engine.model.arrays import LayerArrays, ModelArrays
from midfill_engine.model.checkpoint import Stored, alike, widened
from midfill_engine.model.rope import rotation_table
from midfill_engine.model.spec import ModelSpec

WeightKind: TypeAlias = Literal["float32", "bfloat16", "int8", "int6", "int4"]
_HUGE_PAGE = 2 << 20
_WEIGHTS_AT_ONCE = 1 << 17
"""What a thread packs in one go: half a megabyte of float32, which stays in its second cache."""


@dataclass(frozen=True, slots=True)
class PackedModel:
    """What `mf_create` needs, and the memory that it points to."""

    model: Model
    num_bytes: int
    kept: tuple[object, ...]


def head_kind(kind: WeightKind) -> WeightKind:
    """Returns what head and embedding are kept in: int4 there would double its loss."""
    return "int8" if kind == "int4" else kind


def weight_bytes(spec: ModelSpec, kind: WeightKind) -> int:
    """Returns the bytes of a model's packed matrices."""
    heads = spec.num_heads * spec.head_dim
    sizes = [
        (spec.hidden_size, heads + 2 * spec.num_kv_heads * spec.head_dim),
        (heads, spec.hidden_size),
        (spec.hidden_size, 2 * padded(spec.intermediate_size)),
        (spec.intermediate_size, spec.hidden_size),
    ]
    layer = sum(packed_bytes(kind, *size) for size in sizes)
    head = packed_bytes(head_kind(kind), spec.hidden_size, spec.vocab_size)
    return spec.num_layers * layer + (1 if spec.tied_embeddings else 2) * head


def pack_model(
    spec: ModelSpec,
    weights: ModelArrays,
    library: Library,
    kind: WeightKind,
    max_len: int,
    num_threads: int = 1,
) -> PackedModel:
    """Returns the model packed for positions [0, max_len); cache and threads are still open.

    One layer after the other is taken from `weights` and let go.

    Raises:
        MemoryError: it does not fit.
    """
    layers = (Layer * spec.num_layers)()
    with _Packer(spec, kind, library, num_threads) as packer:
        streamed = iter(weights.layers)  # no name holds a layer while the next is read
        for idx, window in enumerate(spec.windows):
            layers[idx] = packer.layer(next(streamed), window)
        final_norm = packer.vector(weights.final_norm)
        head, embedding = packer.head(weights)
        rotations = rotation_table(spec.rope, spec.head_dim, max_len)
        packer.wait()
    model = Model(
        weight_kind=WEIGHT_KINDS.index(kind),
        head_kind=WEIGHT_KINDS.index(head_kind(kind)),
        num_layers=spec.num_layers,
        hidden=spec.hidden_size,
        intermediate=spec.intermediate_size,
        num_heads=spec.num_heads,
        num_kv_heads=spec.num_kv_heads,
        head_dim=spec.head_dim,
        vocab=spec.vocab_size,
        max_len=max_len,
        eps=spec.rms_norm_eps,
        score_scale=spec.head_dim**-0.5,
        rotations=rotations.ctypes.data,
        embedding=embedding,
        head=head,
        final_norm=final_norm,
        layers=layers,
    )
    return PackedModel(model, packer.num_bytes, (layers, rotations, packer.kept))


class _Packer:
    """Fills one block of memory, matrix after matrix, a few panels to a thread."""

    def __init__(
        self, spec: ModelSpec, kind: WeightKind, library: Library, num_threads: int
    ) -> None:
        self._spec = spec
        self._kind: WeightKind = kind
        self.num_bytes = weight_bytes(spec, kind)
        raw = np.empty(self.num_bytes + _HUGE_PAGE, np.uint8)
        begin = -raw.ctypes.data % _HUGE_PAGE
        self._free: Bytes = raw[begin : begin + self.num_bytes]
        library.advise_huge(self._free.ctypes.data, self.num_bytes)
        self.kept: list[Floats | Bytes] = [raw]
        self._pool = ThreadPoolExecutor(num_threads, "midfill-pack")
        self._under_way: list[Future[None]] = []

    def __enter__(self) -> _Packer:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def layer(self, weights: LayerArrays, window: int | None) -> Layer:
        """Packs one layer and waits for it."""
        gate_up = interleave_gates(*alike(weights.gate, weights.up))
        packed = Layer(
            attention_norm=self.vector(weights.attention_norm),
            qkv=self.matrix(weights.qkv),
            qkv_bias=self._bias(weights.qkv_bias),
            out=self.matrix(weights.out),
            out_bias=self._bias(weights.out_bias),
            mlp_norm=self.vector(weights.mlp_norm),
            gate_up=self.matrix(gate_up),
            gate_up_bias=self._gate_bias(weights.gate_bias, weights.up_bias),
            down=self.matrix(weights.down),
            down_bias=self._bias(weights.down_bias),
            window=window or 0,
        )
        self.wait()
        return packed

    def head(self, weights: ModelArrays) -> tuple[int, int]:
        """Returns where head and embedding are; with tied embeddings they are the same."""
        kind = head_kind(self._kind)
        head = self.matrix(weights.head, kind)
        tied = self._spec.tied_embeddings
        return head, head if tied else self.matrix(weights.embedding, kind)

    def matrix(self, rows: Stored, kind: WeightKind | None = None) -> int:
        """Has [outputs, inputs] packed; returns the address."""
        kind = kind or self._kind
        num_outputs, num_inputs = rows.shape
        panel_bytes = packed_bytes(kind, num_inputs, PANEL)
        num_bytes = packed_bytes(kind, num_inputs, num_outputs)
        out, self._free = self._free[:num_bytes], self._free[num_bytes:]
        panels = max(1, _WEIGHTS_AT_ONCE // (PANEL * num_inputs))
        for begin in range(0, num_outputs, PANEL * panels):
            part, first = rows[begin : begin + PANEL * panels], begin // PANEL * panel_bytes
            into = out[first : first + packed_bytes(kind, num_inputs, part.shape[0])]
            self._under_way.append(self._pool.submit(_pack, kind, part, into))
        return out.ctypes.data

    def wait(self) -> None:
        """Returns when everything is packed."""
        under_way, self._under_way = self._under_way, []
        for each in under_way:
            each.result()

    def vector(self, vector: Stored) -> int:
        """Keeps a vector in float32, padded with zeros; returns the address."""
        kept = np.zeros(padded(vector.shape[0]), np.float32)
        kept[: vector.shape[0]] = widened(vector)
        self.kept.append(kept)
        return kept.ctypes.data

    def _bias(self, bias: Stored | None) -> int | None:
        return None if bias is None else self.vector(bias)

    def _gate_bias(self, gate: Stored | None, up: Stored | None) -> int | None:
        if gate is None or up is None:
            return None
        return self.vector(interleave_gates(*alike(gate, up)))


def _pack(kind: str, rows: Stored, out: Bytes) -> None:
    pack(kind, widened(rows), out)
