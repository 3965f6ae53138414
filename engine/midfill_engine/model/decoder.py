"""The Llama family's forward pass for one sequence, in as few operations as torch allows.

Knows one slot of the cache at a time and nothing of requests. Called by `exec.runner`.
"""

from __future__ import annotations

import torch
from torch.nn.functional import silu

from midfill_engine.model.attention import Attention, AttentionFactory
from midfill_engine.model.experts import mix_experts
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.norm import normalise
from midfill_engine.model.rope import rotation_table
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import DenseMlp, LayerWeights, ModelWeights


class Decoder:
    """Decoder-only transformer: pre-norm, rotary, grouped-query attention, SwiGLU or experts."""

    def __init__(
        self,
        spec: ModelSpec,
        weights: ModelWeights,
        dtype: torch.dtype,
        device: torch.device,
        max_len: int | None = None,
        attention: AttentionFactory = Attention,
    ) -> None:
        """Prepares the tables for positions [0, max_len), default max_position_embeddings.

        `attention` makes what attends in one forward; its arguments are those of `Attention`.
        """
        self.spec = spec
        self.dtype = dtype
        self.device = device
        self._weights = weights
        self._attention = attention
        self._scale = spec.head_dim**-0.5
        self._num_turned = spec.num_heads + spec.num_kv_heads
        table = rotation_table(spec.rope, spec.head_dim, max_len or spec.max_position_embeddings)
        self._rotations = torch.as_tensor(table)[:, None].to(device)

    @torch.inference_mode()
    def forward(
        self, token_ids: torch.Tensor, start: int, cache: KVCache, slot: int, num_logits: int
    ) -> torch.Tensor:
        """Returns the logits of the last `num_logits` positions, [num_logits, V] float32.

        Writes keys and values at [start, start + T) of the slot and reads [0, start + T).

        Args:
            token_ids: [T] int64 on the decoder's device, T >= 1.
            start: position of the first token; [0, start) of the slot is already written.
            cache: where keys and values lie.
            slot: which sequence.
            num_logits: 0 to T; with 0 the last layer stops once its keys and values are written.
        """
        num_tokens = token_ids.shape[0]
        end = start + num_tokens
        assert num_tokens > 0, "forward without tokens"
        assert end <= cache.max_len, f"positions up to {end} in a cache of {cache.max_len}"
        hidden = self._weights.embedding[token_ids]
        rotations = self._rotations[start:end]
        attention = self._attention(start, num_tokens, self._scale, self.device)
        last = self.spec.num_layers - 1
        for idx, kv in enumerate(cache.layers(slot)):
            num_rows = num_logits if idx == last else num_tokens
            layer = self._weights.layers[idx]
            query = self._write(layer, hidden, rotations, kv, start, num_rows)
            if num_rows == 0:
                return torch.empty((0, self.spec.vocab_size), device=self.device)
            if num_rows < num_tokens:
                hidden = hidden[num_tokens - num_rows :]
            attended = attention(query, *kv, self.spec.windows[idx])
            hidden.addmm_(attended, layer.out)
            if layer.out_bias is not None:
                hidden.add_(layer.out_bias)
            self._feed_forward(layer, hidden)
            del layer  # it may have been made for this once: the next takes its memory
        normed = normalise(hidden, self._weights.final_norm, self.spec.rms_norm_eps)
        return torch.mm(normed, self._weights.head).float()

    def _write(
        self,
        layer: LayerWeights,
        hidden: torch.Tensor,
        rotations: torch.Tensor,
        kv: tuple[torch.Tensor, torch.Tensor],
        start: int,
        num_rows: int,
    ) -> torch.Tensor:
        """Writes keys and values of hidden [T, C]; returns the last queries, [num_rows, H, D]."""
        spec = self.spec
        num_tokens = hidden.shape[0]
        normed = normalise(hidden, layer.attention_norm, spec.rms_norm_eps)
        if layer.qkv_bias is None:
            qkv = torch.mm(normed, layer.qkv)
        else:
            qkv = torch.addmm(layer.qkv_bias, normed, layer.qkv)
        pairs = qkv.view(num_tokens, -1, spec.head_dim // 2, 2)
        turned = torch.view_as_complex(pairs[:, : self._num_turned].float()) * rotations
        heads = torch.view_as_real(turned).flatten(2).to(self.dtype)
        keys, values = kv
        end = start + num_tokens
        keys[:, start:end] = heads[:, spec.num_heads :].transpose(0, 1)
        values[:, start:end] = pairs[:, self._num_turned :].flatten(2).transpose(0, 1)
        return heads[num_tokens - num_rows :, : spec.num_heads]

    def _feed_forward(self, layer: LayerWeights, hidden: torch.Tensor) -> None:
        """Adds the MLP's output to hidden [T, C] in place."""
        mlp = layer.mlp
        normed = normalise(hidden, layer.mlp_norm, self.spec.rms_norm_eps)
        if not isinstance(mlp, DenseMlp):
            mix_experts(mlp, normed, hidden, self.spec.num_active_experts)
            return
        if mlp.gate_up_bias is None:
            gate_up = torch.mm(normed, mlp.gate_up)
        else:
            gate_up = torch.addmm(mlp.gate_up_bias, normed, mlp.gate_up)
        gate, up = gate_up.chunk(2, dim=-1)
        hidden.addmm_(silu(gate).mul_(up), mlp.down)
        if mlp.down_bias is not None:
            hidden.add_(mlp.down_bias)
