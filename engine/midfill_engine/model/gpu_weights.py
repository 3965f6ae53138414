"""A model's weights as a GPU step reads them: matrices [outputs, inputs], quantised as they come.

Layer by layer, so that no more than one of them is there in full precision. Called by
`exec.gpu_choice`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, overload

import torch

from midfill_engine.kernels.gpu_interface import Matrix, Norm
from midfill_engine.model.checkpoint import TensorSource
from midfill_engine.model.shapes import check_shapes, num_parameters
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import (
    DenseMlp,
    LayerWeights,
    ModelWeights,
    read_ends,
    read_layer,
)

GpuKind: TypeAlias = Literal["plain", "fp8", "int8"]
"""What a layer's matrices are kept in; `plain` is the model's dtype. Embedding, norms, biases and
head always are: the head chooses among all tokens, and is 2 % of a 7B model."""

_LARGEST = {"fp8": 448.0, "int8": 127.0}
"""The largest number of each: float8_e4m3fn's, and int8's with both signs alike."""


@dataclass(frozen=True, slots=True)
class GpuLayer:
    """One layer; `qkv` has queries and keys interleaved as `model.weights` tells."""

    attention_norm: Norm
    qkv: Matrix
    out: Matrix
    mlp_norm: Norm
    gate_up: Matrix
    down: Matrix


@dataclass(frozen=True, slots=True)
class GpuWeights:
    """embedding [V, C]; head [V, C], the same memory where the model ties them."""

    embedding: torch.Tensor
    layers: tuple[GpuLayer, ...]
    final_norm: Norm
    head: Matrix


def load_gpu_weights(
    spec: ModelSpec,
    checkpoint: TensorSource,
    kind: GpuKind,
    dtype: torch.dtype,
    device: torch.device,
) -> GpuWeights:
    """Returns the weights on `device`; the matrices of the layers as `kind` says.

    Raises:
        ModelError: as `model.weights.load_weights`.
    """
    assert spec.num_experts is None, "experts are run by `Decoder`"
    check_shapes(spec, checkpoint)
    layers: list[GpuLayer] = []
    for idx in range(spec.num_layers):
        layers.append(_layer(spec, read_layer(spec, checkpoint, idx, dtype, device), kind))
    ends = read_ends(spec, checkpoint, dtype, device)
    head = ends.head.t().contiguous()
    return GpuWeights(
        embedding=head if spec.tied_embeddings else ends.embedding,
        layers=tuple(layers),
        final_norm=Norm(ends.final_norm, spec.rms_norm_eps),
        head=Matrix(head),
    )


def quantise(weight: torch.Tensor, kind: GpuKind, bias: torch.Tensor | None = None) -> Matrix:
    """Returns weight [outputs, inputs] as a matrix: one scale an output, the largest number full.

    A number halfway between two is rounded to the even one.
    """
    if kind == "plain":
        return Matrix(weight.contiguous(), None, bias)
    wide = weight.float()
    scale = wide.abs().amax(1) / _LARGEST[kind]
    scaled = wide / torch.where(scale > 0, scale, 1.0)[:, None]
    if kind == "fp8":
        return Matrix(scaled.to(torch.float8_e4m3fn), scale, bias)
    return Matrix(scaled.round_().to(torch.int8), scale, bias)


class DenseLayers(Sequence[LayerWeights]):
    """The layers as `Decoder` reads them, made dense one at a time where they are quantised."""

    def __init__(self, layers: Sequence[GpuLayer], dtype: torch.dtype) -> None:
        """`dtype` is the model's."""
        self._layers = layers
        self._dtype = dtype

    def __len__(self) -> int:
        """Number of layers."""
        return len(self._layers)

    def __iter__(self) -> Iterator[LayerWeights]:
        """One layer after the other; each is free again when the next is made."""
        for idx in range(len(self)):
            yield self[idx]

    @overload
    def __getitem__(self, index: int) -> LayerWeights: ...
    @overload
    def __getitem__(self, index: slice) -> list[LayerWeights]: ...
    def __getitem__(self, index: int | slice) -> LayerWeights | list[LayerWeights]:
        """Returns one layer, or several."""
        if isinstance(index, slice):
            return [self[idx] for idx in range(*index.indices(len(self)))]
        layer = self._layers[index]
        return LayerWeights(
            attention_norm=layer.attention_norm.weight,
            qkv=self._dense(layer.qkv),
            qkv_bias=layer.qkv.bias,
            out=self._dense(layer.out),
            out_bias=layer.out.bias,
            mlp_norm=layer.mlp_norm.weight,
            mlp=DenseMlp(
                gate_up=self._dense(layer.gate_up),
                gate_up_bias=layer.gate_up.bias,
                down=self._dense(layer.down),
                down_bias=layer.down.bias,
            ),
        )

    def _dense(self, matrix: Matrix) -> torch.Tensor:
        """Returns [inputs, outputs], a transposed view; every quantised number fits the dtype."""
        if matrix.scale is None:
            return matrix.weight.t()
        whole = matrix.weight.to(self._dtype)
        return torch.mul(whole, matrix.scale[:, None], out=whole).t()


def dense_weights(weights: GpuWeights, dtype: torch.dtype) -> ModelWeights:
    """Returns the weights as `Decoder` reads them, for long parts of prompts."""
    return ModelWeights(
        embedding=weights.embedding,
        layers=DenseLayers(weights.layers, dtype),
        final_norm=weights.final_norm.weight,
        head=weights.head.weight.t(),
    )


def gpu_weight_bytes(spec: ModelSpec, kind: GpuKind, dtype: torch.dtype) -> int:
    """Returns about what the weights take: quantised ones a byte each, the scales left out."""
    if kind == "plain":
        return num_parameters(spec) * dtype.itemsize
    ends = spec.vocab_size * spec.hidden_size * (1 if spec.tied_embeddings else 2)
    return num_parameters(spec) - ends + ends * dtype.itemsize


def _layer(spec: ModelSpec, layer: LayerWeights, kind: GpuKind) -> GpuLayer:
    mlp = layer.mlp
    assert isinstance(mlp, DenseMlp), "experts are run by `Decoder`"
    return GpuLayer(
        attention_norm=Norm(layer.attention_norm, spec.rms_norm_eps),
        qkv=quantise(layer.qkv.t(), kind, layer.qkv_bias),
        out=quantise(layer.out.t(), kind, layer.out_bias),
        mlp_norm=Norm(layer.mlp_norm, spec.rms_norm_eps),
        gate_up=quantise(mlp.gate_up.t(), kind, mlp.gate_up_bias),
        down=quantise(mlp.down.t(), kind, mlp.down_bias),
    )
