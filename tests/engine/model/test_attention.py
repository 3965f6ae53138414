"""The fast paths against `kernels.reference` on random shapes."""

from __future__ import annotations

import random

import pytest
import torch

from midfill_engine.kernels import reference
from midfill_engine.model.attention import Attention
from midfill_engine.model.norm import normalise
from midfill_engine.model.rope import RopeSpec, rotation_table
from tests.engine.model.conftest import CPU


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention(seed: int, dtype: torch.dtype) -> None:
    rng = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    num_kv_heads, group = rng.choice([1, 2, 3]), rng.choice([1, 2, 4])
    head_dim = rng.choice([8, 12, 64])
    num_tokens, start = rng.choice([1, 1, 2, 9, 33]), rng.choice([0, 0, 1, 7, 40])
    window = rng.choice([None, None, 1, 4, 16])
    num_queries = rng.randint(1, num_tokens)
    shape = (num_kv_heads, start + num_tokens + rng.randint(0, 5), head_dim)
    keys = torch.randn(shape, generator=generator).to(dtype)
    values = torch.randn(shape, generator=generator).to(dtype)
    shape = (num_tokens, num_kv_heads * group, head_dim)
    query = torch.randn(shape, generator=generator).to(dtype)
    scale = head_dim**-0.5
    expected = reference.attention(query, keys, values, start, window, scale)
    attend = Attention(start, num_tokens, scale, CPU)
    found = attend(query[num_tokens - num_queries :], keys, values, window)
    tolerance = 1e-5 if dtype == torch.float32 else 3e-2
    torch.testing.assert_close(
        found, expected[num_tokens - num_queries :].flatten(1), atol=tolerance, rtol=tolerance
    )


def test_interleaved_rotation_keeps_scalar_products() -> None:
    """The decoder's complex product on neighbours equals the half-split rotation."""
    table = torch.as_tensor(rotation_table(RopeSpec(), 16, 50))
    query, key = torch.randn(50, 2, 16), torch.randn(50, 2, 16)
    turned_query, turned_key = (reference.rotate(each, table) for each in (query, key))

    def interleaved(vectors: torch.Tensor) -> torch.Tensor:
        pairs = vectors.view(50, 2, 2, 8).transpose(2, 3).contiguous()
        return torch.view_as_real(torch.view_as_complex(pairs) * table[:, None]).flatten(2)

    expected = torch.einsum("qhd,khd->hqk", turned_query, turned_key)
    found = torch.einsum("qhd,khd->hqk", interleaved(query), interleaved(key))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_norm_and_swiglu() -> None:
    hidden, weight = torch.randn(5, 24), torch.randn(24)
    for rows in (hidden, hidden[:1], hidden.bfloat16()):
        expected = reference.rms_norm(rows, weight.to(rows.dtype), 1e-5)
        torch.testing.assert_close(normalise(rows, weight.to(rows.dtype), 1e-5), expected)
    gate, up = hidden.chunk(2, dim=-1)
    torch.testing.assert_close(torch.nn.functional.silu(gate) * up, reference.swiglu(hidden))
