"""A model's weights as the native kernels take them: one block of packed matrices, and a table.

Called by `native`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from midfill_engine.kernels.library import WEIGHT_KINDS, Layer, Library, Model
from midfill_engine.kernels.packing import interleave_gates, pack, packed_bytes, padded
from midfill_engine.model.rope import rotation_table
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import DenseMlp, LayerWeights, Parts

WeightKind: TypeAlias = Literal["float32", "bfloat16", "int8", "int4"]
_HUGE_PAGE = 2 << 20


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
    spec: ModelSpec, weights: Parts, library: Library, kind: WeightKind, max_len: int
) -> PackedModel:
    """Returns the model packed for positions [0, max_len); cache and threads are still open.

    One layer after the other is taken from `weights` and let go.

    Raises:
        RuntimeError: torch cannot allocate it.
    """
    packer = _Packer(spec, kind, library)
    layers = (Layer * spec.num_layers)()
    streamed = iter(weights.layers)  # no name holds a layer while the next is read
    for idx, window in enumerate(spec.windows):
        layers[idx] = packer.layer(next(streamed), window)
    rotations = rotation_table(spec.rope, spec.head_dim, max_len).contiguous()
    final_norm = packer.vector(weights.final_norm)
    head, embedding = packer.head(weights)
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
        rotations=rotations.data_ptr(),
        embedding=embedding,
        head=head,
        final_norm=final_norm,
        layers=layers,
    )
    return PackedModel(model, packer.num_bytes, (layers, rotations, packer.kept))


class _Packer:
    """Fills one block of memory, matrix after matrix."""

    def __init__(self, spec: ModelSpec, kind: WeightKind, library: Library) -> None:
        self._spec = spec
        self._kind: WeightKind = kind
        self.num_bytes = weight_bytes(spec, kind)
        raw = torch.empty(self.num_bytes + _HUGE_PAGE, dtype=torch.uint8)
        begin = -raw.data_ptr() % _HUGE_PAGE
        self._free = raw[begin : begin + self.num_bytes]
        library.advise_huge(self._free.data_ptr(), self.num_bytes)
        self.kept: list[torch.Tensor] = [raw]

    def layer(self, weights: LayerWeights, window: int | None) -> Layer:
        mlp = weights.mlp
        assert isinstance(mlp, DenseMlp), "experts are not supported"
        return Layer(
            attention_norm=self.vector(weights.attention_norm),
            qkv=self.matrix(weights.qkv),
            qkv_bias=self._bias(weights.qkv_bias),
            out=self.matrix(weights.out),
            out_bias=self._bias(weights.out_bias),
            mlp_norm=self.vector(weights.mlp_norm),
            gate_up=self.matrix(interleave_gates(mlp.gate_up)),
            gate_up_bias=self._gate_bias(mlp.gate_up_bias),
            down=self.matrix(mlp.down),
            down_bias=self._bias(mlp.down_bias),
            window=window or 0,
        )

    def head(self, weights: Parts) -> tuple[int, int]:
        """Returns where head and embedding are; with tied embeddings they are the same."""
        kind = head_kind(self._kind)
        head = self.matrix(weights.head, kind)
        tied = self._spec.tied_embeddings
        return head, head if tied else self.matrix(weights.embedding.t(), kind)

    def matrix(self, matrix: torch.Tensor, kind: WeightKind | None = None) -> int:
        """Packs [inputs, outputs]; returns the address."""
        kind = kind or self._kind
        num_bytes = packed_bytes(kind, *matrix.shape)
        out, self._free = self._free[:num_bytes], self._free[num_bytes:]
        pack(kind, matrix, out)
        return out.data_ptr()

    def vector(self, vector: torch.Tensor) -> int:
        """Keeps a vector in float32, padded with zeros; returns the address."""
        kept = torch.zeros(padded(vector.shape[0]))
        kept[: vector.shape[0]] = vector
        self.kept.append(kept)
        return kept.data_ptr()

    def _bias(self, bias: torch.Tensor | None) -> int | None:
        return None if bias is None else self.vector(bias)

    def _gate_bias(self, bias: torch.Tensor | None) -> int | None:
        return None if bias is None else self.vector(interleave_gates(bias))
