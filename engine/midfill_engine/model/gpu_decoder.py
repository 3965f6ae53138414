"""The decoder on a GPU: whole steps of several sequences, and long parts of prompts.

A step of up to `max_rows` rows is one launch and one for the choice (`kernels.whole_step`), or the
embedding, seven launches a layer, and three for head and choice; all on buffers that stay where
they are, so that it can be captured as a graph. Parts of prompts go through `Decoder`, whose
products are the vendor's. Called by `exec.graphs` and `exec.gpu_forward`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from midfill_engine.kernels.gpu_interface import (
    Attention,
    Choice,
    Groups,
    Matrix,
    Operations,
    Pages,
    Rows,
)
from midfill_engine.kernels.whole_shape import MOST_ROWS, Shape
from midfill_engine.kernels.whole_step import Launch, StepLayer, WholeStep
from midfill_engine.model.attention import Attention as PromptAttention
from midfill_engine.model.attention import AttentionFactory
from midfill_engine.model.decoder import Decoder
from midfill_engine.model.gpu_weights import GpuWeights, dense_weights
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.rope import rotation_table
from midfill_engine.model.spec import ModelSpec

MAX_ROWS = 64
"""Of one step of many launches; four tiles of 16 rows, which read the weights once."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the host tells of a step; R rows, G groups."""

    token_ids: torch.Tensor
    rows: Rows
    groups: Groups
    choice: Choice


@dataclass(frozen=True, slots=True)
class Buffers:
    """Where a step of R rows computes: views into memory that all steps share.

    `normed`, `attended` and `inner` are what matrices take: see `operand_dtype`.

    Attributes:
        hidden: [R, C].
        normed: [R, C].
        query: [R, H, D].
        attended: [R, H * D]; zero where no group writes, so that nothing unwritten is read.
        inner: [R, I].
        logits: [R, V] float32.
        outcome: [R, 3] float64, see `gpu_interface.OUTCOME`.
    """

    hidden: torch.Tensor
    normed: torch.Tensor
    query: torch.Tensor
    attended: torch.Tensor
    inner: torch.Tensor
    logits: torch.Tensor
    outcome: torch.Tensor

    def first(self, num_rows: int) -> Buffers:
        """Returns the buffers of the first rows."""
        return Buffers(
            self.hidden[:num_rows],
            self.normed[:num_rows],
            self.query[:num_rows],
            self.attended[:num_rows],
            self.inner[:num_rows],
            self.logits[:num_rows],
            self.outcome[:num_rows],
        )

    def of_whole_step(self) -> dict[str, torch.Tensor]:
        """Returns those that `WholeStep.run` takes."""
        return {
            "normed": self.normed,
            "query": self.query,
            "attended": self.attended,
            "inner": self.inner,
            "logits": self.logits,
        }


class GpuDecoder:
    """Decoder-only transformer of the Llama family, without experts; one thread calls."""

    def __init__(
        self,
        spec: ModelSpec,
        weights: GpuWeights,
        operations: Operations,
        attention: Attention,
        *,
        dtype: torch.dtype,
        device: torch.device,
        max_len: int,
        prompt_attention: AttentionFactory = PromptAttention,
    ) -> None:
        """Takes parts that `exec.gpu_choice` chose, for positions [0, max_len)."""
        self.spec = spec
        self.dtype = dtype
        self.device = device
        self.operations = operations
        self.attention = attention
        self._weights = weights
        self._scale = spec.head_dim**-0.5
        table = rotation_table(spec.rope, spec.head_dim, max_len)
        self._rotations = torch.view_as_real(torch.as_tensor(table)).contiguous().to(device)
        self._max_len = max_len
        self.whole: WholeStep | None = None
        self._prompts = Decoder(
            spec, dense_weights(weights, dtype), dtype, device, max_len, prompt_attention
        )

    @property
    def max_rows(self) -> int:
        """Rows of a step at most."""
        return MAX_ROWS if self.whole is None else MOST_ROWS

    @property
    def name(self) -> str:
        """What computes, for `/info`."""
        return self.operations.name if self.whole is None else self.whole.name

    @property
    def attention_name(self) -> str:
        """What attends, for `/info`."""
        return self.attention.name if self.whole is None else "split-KV within the launch"

    @property
    def exact(self) -> bool:
        """As `Operations.exact`, of all that computes a step."""
        if self.whole is not None:
            return self.whole.exact
        return self.operations.exact and self.attention.exact

    def use_whole_step(self, launch: Launch, cache: KVCache) -> None:
        """Makes steps one launch each, over `cache` alone; the shape is one that it can run."""
        weights = self._weights
        self.whole = WholeStep(
            shape_of(self.spec, weights.layers[0].qkv.weight.dtype),
            launch,
            [
                StepLayer(
                    layer.attention_norm, layer.qkv, layer.out, layer.mlp_norm, layer.gate_up,
                    layer.down, pages,
                )
                for layer, pages in zip(
                    weights.layers, slot_pages(cache, self.device), strict=True
                )
            ],
            embedding=weights.embedding,
            final_norm=weights.final_norm,
            head=weights.head.weight,
            rotations=self._rotations,
            max_len=self._max_len,
        )  # fmt: skip

    def prefill(self, token_ids: Sequence[int], start: int, cache: KVCache, slot: int) -> None:
        """Writes keys and values of a sequence's tokens at [start, start + len); waits for nothing.

        What is written depends on these tokens and on [0, start) of the slot alone.
        """
        self._prompts.forward(self._ids(token_ids), start, cache, slot, num_logits=0)

    def prompt_logits(
        self, token_ids: Sequence[int], start: int, cache: KVCache, slot: int
    ) -> torch.Tensor:
        """As `prefill`; returns torch's logits of every place, [len, V] float32."""
        ids = self._ids(token_ids)
        return self._prompts.forward(ids, start, cache, slot, num_logits=len(token_ids))

    def _ids(self, token_ids: Sequence[int]) -> torch.Tensor:
        ids = torch.tensor(token_ids, dtype=torch.int64)
        if self.device.type == "cuda":
            ids = ids.pin_memory()
        return ids.to(self.device, non_blocking=True)

    def reserve(self, num_rows: int) -> Buffers:
        """Returns buffers of `num_rows` rows."""
        spec = self.spec
        operands = operand_dtype(self._weights.layers[0].qkv, self.dtype)

        def empty(*shape: int, dtype: torch.dtype = self.dtype) -> torch.Tensor:
            return torch.zeros((num_rows, *shape), dtype=dtype, device=self.device)

        return Buffers(
            hidden=empty(spec.hidden_size),
            normed=empty(spec.hidden_size, dtype=operands),
            query=empty(spec.num_heads, spec.head_dim),
            attended=empty(spec.num_heads * spec.head_dim, dtype=operands),
            inner=empty(spec.intermediate_size, dtype=operands),
            logits=empty(spec.vocab_size, dtype=torch.float32),
            outcome=empty(3, dtype=torch.float64),
        )

    @torch.inference_mode()
    def step(self, inputs: Inputs, buffers: Buffers, layers: Sequence[Pages]) -> None:
        """Computes the rows' logits and outcomes; writes their keys and values.

        Args:
            inputs: R rows, G groups.
            buffers: of R rows.
            layers: the cache's pages, one of each layer.
        """
        operations, weights = self.operations, self._weights
        if self.whole is not None:
            self.whole.run(inputs.token_ids, inputs.rows, inputs.groups, buffers.of_whole_step())
            operations.choose(buffers.logits, inputs.choice, buffers.outcome)
            return
        hidden, normed = buffers.hidden, buffers.normed
        torch.index_select(weights.embedding, 0, inputs.token_ids, out=hidden)
        for layer, pages, window in zip(weights.layers, layers, self.spec.windows, strict=True):
            operations.normalise(hidden, layer.attention_norm, normed)
            operations.write_qkv(
                normed, layer.qkv, self._rotations, inputs.rows, pages, buffers.query
            )
            self.attention.attend(
                buffers.query, pages, inputs.groups, window, self._scale, buffers.attended
            )
            operations.add_product(buffers.attended, layer.out, hidden)
            operations.normalise(hidden, layer.mlp_norm, normed)
            operations.gate_up(normed, layer.gate_up, buffers.inner)
            operations.add_product(buffers.inner, layer.down, hidden)
        operations.normalise(hidden, weights.final_norm, normed)
        operations.project(normed, weights.head, buffers.logits)
        operations.choose(buffers.logits, inputs.choice, buffers.outcome)


def shape_of(spec: ModelSpec, kind: torch.dtype) -> Shape:
    """Returns what `whole_step` is built for, with the layers' matrices in `kind`."""
    return Shape(
        hidden=spec.hidden_size,
        inner=spec.intermediate_size,
        num_heads=spec.num_heads,
        num_kv_heads=spec.num_kv_heads,
        head_dim=spec.head_dim,
        num_tokens=spec.vocab_size,
        kind=kind,
    )


def operand_dtype(matrix: Matrix, dtype: torch.dtype) -> torch.dtype:
    """Returns what a matrix is multiplied by where the rest is in `dtype`.

    One-byte weights become float16 in one instruction, bfloat16 takes several (docs/log.md).
    """
    one_byte = matrix.weight.dtype.itemsize == 1
    return torch.float16 if one_byte and dtype == torch.bfloat16 else dtype


def slot_pages(cache: KVCache, device: torch.device) -> list[Pages]:
    """Returns a slotted cache as pages, one a slot, of each layer."""
    table = torch.arange(cache.num_slots, dtype=torch.int32, device=device)[:, None].contiguous()
    return [
        Pages(keys, values, table) for keys, values in zip(cache.keys, cache.values, strict=True)
    ]
