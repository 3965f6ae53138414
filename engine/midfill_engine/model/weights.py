"""A decoder's weights, fused and laid out for speed, from any `TensorSource`.

Matrices are kept as [in, out] so that `x @ w` is one call. On the CPU in float32 they are also
stored that way round, because a product of one row then runs 1.2 to 1.6 times as fast
(docs/log.md); elsewhere they are transposed views of the checkpoint's [out, in].

Rows of queries and keys are interleaved within each head (2i, 2i + 1 instead of i, i + D/2), so
that the rotary embedding is one complex product; their scalar products do not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from midfill_engine.errors import ModelError
from midfill_engine.model.checkpoint import TensorReader, TensorSource
from midfill_engine.model.shapes import check_shapes
from midfill_engine.model.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class DenseMlp:
    """Gate and up in one matrix [C, 2I], down [I, C]; biases [2I] and [C] or None."""

    gate_up: torch.Tensor
    gate_up_bias: torch.Tensor | None
    down: torch.Tensor
    down_bias: torch.Tensor | None


@dataclass(frozen=True, slots=True)
class ExpertMlp:
    """A router [C, E], and for each of E experts gate and up [C, 2I] and down [I, C]."""

    router: torch.Tensor
    gate_up: tuple[torch.Tensor, ...]
    down: tuple[torch.Tensor, ...]


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One layer: norms [C], qkv [C, (H + 2K) * D], out [H * D, C], biases or None."""

    attention_norm: torch.Tensor
    qkv: torch.Tensor
    qkv_bias: torch.Tensor | None
    out: torch.Tensor
    out_bias: torch.Tensor | None
    mlp_norm: torch.Tensor
    mlp: DenseMlp | ExpertMlp


@dataclass(frozen=True, slots=True)
class ModelWeights:
    """embedding [V, C], final_norm [C], head [C, V]; with tied embeddings both share memory."""

    embedding: torch.Tensor
    layers: Sequence[LayerWeights]
    final_norm: torch.Tensor
    head: torch.Tensor


@dataclass(frozen=True, slots=True)
class Ends:
    """What comes before and behind the layers, as in `ModelWeights`."""

    embedding: torch.Tensor
    final_norm: torch.Tensor
    head: torch.Tensor


def load_weights(
    spec: ModelSpec, checkpoint: TensorSource, dtype: torch.dtype, device: torch.device
) -> ModelWeights:
    """Returns the weights in `dtype` on `device`.

    Each layer is mapped, copied into memory of its own and unmapped, so that at no time more than
    one layer is there twice, and a file that changes later does no harm.

    Raises:
        ModelError: as `check_shapes`, or a tensor that is not floating point.
    """
    check_shapes(spec, checkpoint)
    layers = tuple(
        read_layer(spec, checkpoint, idx, dtype, device) for idx in range(spec.num_layers)
    )
    ends = read_ends(spec, checkpoint, dtype, device)
    return ModelWeights(ends.embedding, layers, ends.final_norm, ends.head)


def read_layer(
    spec: ModelSpec, checkpoint: TensorSource, idx: int, dtype: torch.dtype, device: torch.device
) -> LayerWeights:
    """Returns one layer of a checkpoint that `check_shapes` found right.

    Raises:
        ModelError: a tensor is not floating point.
    """
    with checkpoint.reader() as read:
        return _Packer(spec, read, dtype, device).layer(f"model.layers.{idx}.")


def read_ends(
    spec: ModelSpec, checkpoint: TensorSource, dtype: torch.dtype, device: torch.device
) -> Ends:
    """Returns embedding, last norm and head; as `read_layer`."""
    with checkpoint.reader() as read:
        packer = _Packer(spec, read, dtype, device)
        head_name = "model.embed_tokens" if spec.tied_embeddings else "lm_head"
        head = packer.matrix(head_name)
        embedding = head.t() if spec.tied_embeddings else packer.vector("model.embed_tokens.weight")
        return Ends(embedding, packer.vector("model.norm.weight"), head)


class _Packer:
    """Copies tensors out of one reader into fused matrices."""

    def __init__(
        self, spec: ModelSpec, read: TensorReader, dtype: torch.dtype, device: torch.device
    ) -> None:
        self._spec = spec
        self._read = read
        self._dtype = dtype
        self._device = device
        self._in_out = device.type == "cpu" and dtype == torch.float32

    def layer(self, prefix: str) -> LayerWeights:
        attention = [prefix + f"self_attn.{name}_proj" for name in "qkv"]
        turned = (self._spec.num_heads, self._spec.num_kv_heads, 0)
        return LayerWeights(
            attention_norm=self.vector(prefix + "input_layernorm.weight"),
            qkv=self.matrix(*attention, turned=turned),
            qkv_bias=self._bias(self._spec.qkv_bias, *attention, turned=turned),
            out=self.matrix(prefix + "self_attn.o_proj"),
            out_bias=self._bias(self._spec.out_bias, prefix + "self_attn.o_proj"),
            mlp_norm=self.vector(prefix + "post_attention_layernorm.weight"),
            mlp=self._mlp(prefix),
        )

    def _mlp(self, prefix: str) -> DenseMlp | ExpertMlp:
        if self._spec.num_experts is None:
            gate_up = (prefix + "mlp.gate_proj", prefix + "mlp.up_proj")
            return DenseMlp(
                gate_up=self.matrix(*gate_up),
                gate_up_bias=self._bias(self._spec.mlp_bias, *gate_up),
                down=self.matrix(prefix + "mlp.down_proj"),
                down_bias=self._bias(self._spec.mlp_bias, prefix + "mlp.down_proj"),
            )
        moe = prefix + "block_sparse_moe."
        experts = [f"{moe}experts.{idx}." for idx in range(self._spec.num_experts)]
        return ExpertMlp(
            router=self.matrix(moe + "gate"),
            gate_up=tuple(self.matrix(expert + "w1", expert + "w3") for expert in experts),
            down=tuple(self.matrix(expert + "w2") for expert in experts),
        )

    def matrix(self, *names: str, turned: tuple[int, ...] = ()) -> torch.Tensor:
        """Returns the matrices side by side, [in, sum of out]; `turned`: heads to interleave."""
        parts = self._parts([name + ".weight" for name in names], turned)
        rows = sum(part.shape[0] for part in parts)
        columns = parts[0].shape[1]
        shape = (columns, rows) if self._in_out else (rows, columns)
        packed = torch.empty(shape, dtype=self._dtype, device=self._device)
        in_out = packed if self._in_out else packed.t()
        begin = 0
        for part in parts:
            in_out[:, begin : begin + part.shape[0]].copy_(part.t())
            begin += part.shape[0]
        return in_out

    def vector(self, name: str) -> torch.Tensor:
        """Returns one tensor unfused, copied."""
        return self.tensor(name).to(self._device, self._dtype, copy=True).contiguous()

    def _bias(self, there: bool, *names: str, turned: tuple[int, ...] = ()) -> torch.Tensor | None:
        if not there:
            return None
        parts = self._parts([name + ".bias" for name in names], turned)
        return torch.cat(parts).to(self._device, self._dtype)

    def _parts(self, names: list[str], turned: tuple[int, ...]) -> list[torch.Tensor]:
        heads = turned or (0,) * len(names)
        return [
            _interleave(self.tensor(name), count) if count else self.tensor(name)
            for name, count in zip(names, heads, strict=True)
        ]

    def tensor(self, name: str) -> torch.Tensor:
        """Returns one tensor as it is stored, maybe a view of the file."""
        tensor = self._read(name)
        if not tensor.is_floating_point():
            raise ModelError(
                f"the tensor {name} is stored as {tensor.dtype}; use an unquantised model"
            )
        return tensor


def _interleave(rows: torch.Tensor, num_heads: int) -> torch.Tensor:
    """Returns rows [H * D, ...] with dimensions i and i + D/2 of each head made neighbours."""
    halves = rows.view(num_heads, 2, -1, *rows.shape[1:])
    return halves.transpose(1, 2).reshape(rows.shape)
