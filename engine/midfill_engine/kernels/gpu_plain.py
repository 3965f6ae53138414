"""The operations of a GPU step in plain torch, on any device: the reference, and the last resort.

Written for reading. Attention asks the device for the groups, so a step of these can't be captured
as a graph. Called by tests, and by `exec.gpu_choice` where Triton is missing.
"""

from __future__ import annotations

from typing import Any, cast

import torch

from midfill_engine.kernels import reference
from midfill_engine.kernels.gpu_interface import Choice, Groups, Matrix, Norm, Pages, Rows, kept


def dense(matrix: Matrix, dtype: torch.dtype) -> torch.Tensor:
    """Returns the weight with its scales multiplied in, [outputs, inputs] in `dtype`."""
    if matrix.scale is None:
        return matrix.weight.to(dtype)
    return (matrix.weight.float() * matrix.scale[:, None]).to(dtype)


class PlainAttention:
    """`gpu_interface.Attention`, one group after the other."""

    name = "torch"
    exact = False

    def attend(
        self,
        query: torch.Tensor,
        pages: Pages,
        groups: Groups,
        window: int | None,
        scale: float,
        out: torch.Tensor,
    ) -> None:
        """As `Attention.attend`."""
        for slot, first, count, end in zip(
            _ints(groups.slots),
            _ints(groups.first_rows),
            _ints(groups.counts),
            _ints(groups.ends),
            strict=True,
        ):
            if not count:
                continue
            keys, values = (_gather(part, pages.table[slot]) for part in (pages.keys, pages.values))
            rows = slice(first, first + count)
            attended = reference.attention(query[rows], keys, values, end - count, window, scale)
            out[rows] = kept(attended.reshape(count, -1), out.dtype)


class PlainOperations:
    """`gpu_interface.Operations`; every product in float32."""

    name = "torch"
    exact = False

    def normalise(self, hidden: torch.Tensor, norm: Norm, out: torch.Tensor) -> None:
        """As `Operations.normalise`."""
        normed = reference.rms_norm(hidden.float(), norm.weight.float(), norm.eps)
        out.copy_(kept(normed, out.dtype))

    def write_qkv(
        self,
        inputs: torch.Tensor,
        matrix: Matrix,
        rotations: torch.Tensor,
        rows: Rows,
        pages: Pages,
        out: torch.Tensor,
    ) -> None:
        """As `Operations.write_qkv`."""
        num_rows, num_heads, head_dim = out.shape
        num_kv_heads = pages.keys.shape[1]
        qkv = _product(inputs.float(), matrix).view(num_rows, -1, head_dim)
        turned = qkv[:, : num_heads + num_kv_heads].reshape(num_rows, -1, head_dim // 2, 2)
        table = torch.view_as_complex(rotations)[rows.positions.clamp(min=0), None]
        heads = torch.view_as_real(torch.view_as_complex(turned.contiguous()) * table).flatten(2)
        out.copy_(heads[:, :num_heads])
        valid = torch.nonzero(rows.positions >= 0)[:, 0]
        positions, slots = rows.positions[valid], rows.slots[valid]
        page_len = pages.keys.shape[2]
        places = pages.table[slots, positions // page_len].long()
        for part, new in (
            (pages.keys, heads[:, num_heads:]),
            (pages.values, qkv[:, num_heads + num_kv_heads :]),
        ):
            part[places, :, positions % page_len] = new[valid].to(part.dtype)

    def add_product(self, inputs: torch.Tensor, matrix: Matrix, hidden: torch.Tensor) -> None:
        """As `Operations.add_product`."""
        hidden.copy_(hidden.float() + _product(inputs.float(), matrix))

    def gate_up(self, inputs: torch.Tensor, matrix: Matrix, out: torch.Tensor) -> None:
        """As `Operations.gate_up`."""
        out.copy_(kept(reference.swiglu(_product(inputs.float(), matrix)), out.dtype))

    def project(self, inputs: torch.Tensor, matrix: Matrix, out: torch.Tensor) -> None:
        """As `Operations.project`."""
        out.copy_(_product(inputs.float(), matrix))

    def choose(self, logits: torch.Tensor, how: Choice, out: torch.Tensor) -> None:
        """As `Operations.choose`."""
        scores = logits.double()
        best, greedy = scores.max(-1)
        temperatures = torch.where(how.temperatures > 0, how.temperatures, 1.0)
        warped = (scores - best[:, None]) / temperatures[:, None]
        weights = warped.exp()
        running = weights.cumsum(-1)
        total = running[:, -1:]
        found = torch.searchsorted(running, how.fractions[:, None] * total, right=True)[:, 0]
        ids = torch.arange(logits.shape[1], device=logits.device)
        last = torch.where(weights > 0, ids, 0).amax(-1)
        token = torch.where(how.temperatures > 0, torch.minimum(found, last), greedy)
        logprob = warped.gather(1, token[:, None]) - total.log()
        out[:, 0] = token
        out[:, 1] = torch.where(scores.isnan().any(-1) | ~best.isfinite(), torch.nan, logprob[:, 0])
        out[:, 2] = token == how.drafts


def _product(inputs: torch.Tensor, matrix: Matrix) -> torch.Tensor:
    product = inputs @ dense(matrix, torch.float32).t()
    return product if matrix.bias is None else product + matrix.bias.float()


def _gather(part: torch.Tensor, pages: torch.Tensor) -> torch.Tensor:
    """Returns one slot's pages one behind the other, [K, positions, D]."""
    return part[pages.long()].transpose(0, 1).flatten(1, 2)


def _ints(values: torch.Tensor) -> list[int]:
    return cast("list[int]", cast("Any", values).tolist())  # torch leaves it untyped
