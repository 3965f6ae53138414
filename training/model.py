"""The decoder that is trained: Llama's architecture, small, with tied embeddings.

Plain torch, written for a fast CPU step; ``state_for_export`` gives the names that transformers
uses, and a test compares the logits of both. Called by ``training.train`` and ``training.export``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the model. H query heads share K key/value heads of size D."""

    vocab_size: int = 4096
    hidden_size: int = 256
    num_layers: int = 6
    num_heads: int = 4
    num_kv_heads: int = 2
    head_dim: int = 64
    ffn_size: int = 704
    context_len: int = 2048
    rope_theta: float = 10000.0
    norm_eps: float = 1e-5

    def as_dict(self) -> dict[str, int | float]:
        """Returns the sizes as a plain dictionary, for checkpoints."""
        return asdict(self)


class Attention(nn.Module):
    """Causal attention with rotary positions and grouped queries."""

    def __init__(self, shape: Shape) -> None:
        """Makes the four projections."""
        super().__init__()
        self.shape = shape
        query, key = shape.num_heads * shape.head_dim, shape.num_kv_heads * shape.head_dim
        self.q_proj = nn.Linear(shape.hidden_size, query, bias=False)
        self.k_proj = nn.Linear(shape.hidden_size, key, bias=False)
        self.v_proj = nn.Linear(shape.hidden_size, key, bias=False)
        self.o_proj = nn.Linear(query, shape.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """X [B, T, hidden] -> [B, T, hidden]; cos, sin [T, D]."""
        num_rows, length, _ = x.shape
        s = self.shape
        q = self.q_proj(x).view(num_rows, length, s.num_heads, s.head_dim).transpose(1, 2)
        k = self.k_proj(x).view(num_rows, length, s.num_kv_heads, s.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(num_rows, length, s.num_kv_heads, s.head_dim).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        group = s.num_heads // s.num_kv_heads
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.o_proj(y.transpose(1, 2).reshape(num_rows, length, -1))
        return out


class Ffn(nn.Module):
    """SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        """Makes the three projections."""
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.ffn_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.ffn_size, bias=False)
        self.down_proj = nn.Linear(shape.ffn_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, hidden] -> [B, T, hidden]."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    """Attention and feed-forward, each behind its norm and beside its residual."""

    def __init__(self, shape: Shape) -> None:
        """Makes the parts."""
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape.hidden_size, eps=shape.norm_eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = nn.RMSNorm(shape.hidden_size, eps=shape.norm_eps)
        self.mlp = Ffn(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """[B, T, hidden] -> [B, T, hidden]."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Decoder(nn.Module):
    """The whole model; the head is the embedding."""

    def __init__(self, shape: Shape) -> None:
        """Makes and initialises the weights; residual outputs start at zero."""
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_layers))
        self.norm = nn.RMSNorm(shape.hidden_size, eps=shape.norm_eps)
        nn.init.normal_(self.embed_tokens.weight, std=0.02)
        for name, weight in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(weight)
            elif weight.ndim == 2 and "embed" not in name:
                nn.init.normal_(weight, std=shape.hidden_size**-0.5)
        cos, sin = rope(shape)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._weighted_loss: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = weighted_loss

    def compile_parts(self) -> None:
        """Compiles one layer, whose code all share, and the loss, anew for each length of rows.

        The whole model at once would compile each of its layers.
        """
        for layer in self.layers:
            cast("Any", layer).compile(dynamic=False)  # torch leaves it untyped
        self._weighted_loss = cast("Any", torch).compile(weighted_loss, dynamic=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Ids [B, T] -> hidden states [B, T, hidden] after the last norm."""
        length = ids.shape[1]
        cos, sin = self.get_buffer("cos")[:length], self.get_buffer("sin")[:length]
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, cos, sin)
        out: Tensor = self.norm(x)
        return out

    def logits(self, ids: Tensor) -> Tensor:
        """Ids [B, T] -> logits [B, T, V]."""
        return F.linear(self(ids), self.embed_tokens.weight)

    def loss(self, ids: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Returns the weighted mean cross entropy, in nats, with float32 logits."""
        return self._weighted_loss(self(ids), self.embed_tokens.weight, targets, weights)


def weighted_loss(hidden: Tensor, head: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Returns the weighted mean cross entropy; hidden [B, T, hidden], head [V, hidden]."""
    logits = F.linear(hidden, head).float().flatten(0, 1)
    each = F.cross_entropy(logits, targets.flatten(), reduction="none")
    return (each * weights.flatten()).sum() / weights.sum()


def rope(shape: Shape) -> tuple[Tensor, Tensor]:
    """Returns cos and sin [T, D], halves repeated, as transformers lays them out."""
    steps = torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
    angles = torch.outer(
        torch.arange(shape.context_len, dtype=torch.float32), shape.rope_theta**-steps
    )
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Applies rotary positions to x [B, H, T, D]."""
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return x * cos.to(x.dtype) + turned * sin.to(x.dtype)


def state_for_export(model: Decoder) -> dict[str, Tensor]:
    """Returns the weights under transformers' LlamaForCausalLM names, without the tied head."""
    return {f"model.{name}": value.detach() for name, value in model.state_dict().items()}
