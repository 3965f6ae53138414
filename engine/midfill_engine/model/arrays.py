"""A decoder's weights as numpy arrays, a layer at a time, as the checkpoint stores them.

What `weights` is for torch, for the native kernels, so that nothing has to import torch. Matrices
are [outputs, inputs]; rows of queries and keys are interleaved within each head (2i, 2i + 1 instead
of i, i + D/2), as the kernels rotate them. Called by `exec.build`, packed by `native_weights`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from midfill_engine.model.checkpoint import ArrayReader, ArraySource, Stored, alike
from midfill_engine.model.shapes import check_shapes
from midfill_engine.model.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class LayerArrays:
    """One dense layer: norms [C], matrices as below, biases [outputs] or None."""

    attention_norm: Stored
    qkv: Stored
    """[(H + 2K) * D, C]"""
    qkv_bias: Stored | None
    out: Stored
    """[C, H * D]"""
    out_bias: Stored | None
    mlp_norm: Stored
    gate: Stored
    """[I, C]"""
    gate_bias: Stored | None
    up: Stored
    """[I, C]"""
    up_bias: Stored | None
    down: Stored
    """[C, I]"""
    down_bias: Stored | None


class ModelArrays(Protocol):
    """A decoder's weights; the layers may be read only as they are asked for, once."""

    @property
    def layers(self) -> Iterable[LayerArrays]:
        """In order."""
        ...

    @property
    def embedding(self) -> Stored:
        """[V, C]."""
        ...

    @property
    def final_norm(self) -> Stored:
        """[C]."""
        ...

    @property
    def head(self) -> Stored:
        """[V, C]; the embedding where they are tied."""
        ...


@dataclass(frozen=True, slots=True)
class StreamedArrays:
    """Layers that are read one by one; all of it may be views of the checkpoint."""

    embedding: Stored
    layers: Iterator[LayerArrays]
    final_norm: Stored
    head: Stored


def stream_arrays(spec: ModelSpec, checkpoint: ArraySource) -> StreamedArrays:
    """Returns layers that are read when they are asked for, and the rest.

    Whoever copies one part after the other has no more than one layer in memory twice. Views must
    be copied before the file changes.

    Raises:
        ModelError: as `check_shapes`, or a tensor is not floating point; a layer's may raise when
            it is asked for.
    """
    assert spec.num_experts is None, "experts are not supported"
    check_shapes(spec, checkpoint)
    layers = (_layer(spec, checkpoint, idx) for idx in range(spec.num_layers))
    with checkpoint.arrays() as read:
        embedding = read("model.embed_tokens.weight")
        head = embedding if spec.tied_embeddings else read("lm_head.weight")
        final_norm = read("model.norm.weight")
    return StreamedArrays(embedding, layers, final_norm, head)


def _layer(spec: ModelSpec, checkpoint: ArraySource, idx: int) -> LayerArrays:
    prefix = f"model.layers.{idx}."
    with checkpoint.arrays() as read:

        def bias(there: bool, name: str) -> Stored | None:
            return read(f"{prefix}{name}.bias") if there else None

        return LayerArrays(
            attention_norm=read(prefix + "input_layernorm.weight"),
            qkv=_qkv(spec, read, prefix, "weight"),
            qkv_bias=_qkv(spec, read, prefix, "bias") if spec.qkv_bias else None,
            out=read(prefix + "self_attn.o_proj.weight"),
            out_bias=bias(spec.out_bias, "self_attn.o_proj"),
            mlp_norm=read(prefix + "post_attention_layernorm.weight"),
            gate=read(prefix + "mlp.gate_proj.weight"),
            gate_bias=bias(spec.mlp_bias, "mlp.gate_proj"),
            up=read(prefix + "mlp.up_proj.weight"),
            up_bias=bias(spec.mlp_bias, "mlp.up_proj"),
            down=read(prefix + "mlp.down_proj.weight"),
            down_bias=bias(spec.mlp_bias, "mlp.down_proj"),
        )


def _qkv(spec: ModelSpec, read: ArrayReader, prefix: str, part: str) -> Stored:
    query, key, value = alike(*(read(f"{prefix}self_attn.{name}_proj.{part}") for name in "qkv"))
    query, key = _interleave(query, spec.num_heads), _interleave(key, spec.num_kv_heads)
    return np.concatenate((query, key, value))


def _interleave(rows: Stored, num_heads: int) -> Stored:
    """Returns rows [H * D, ...] with dimensions i and i + D/2 of each head made neighbours."""
    halves = rows.reshape(num_heads, 2, -1, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)
