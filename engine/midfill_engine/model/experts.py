"""Mixture of experts as Mixtral routes it (arXiv:2401.04088). Called by `decoder`."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch.nn.functional import silu

from midfill_engine.model.weights import ExpertMlp


def mix_experts(
    mlp: ExpertMlp, normed: torch.Tensor, hidden: torch.Tensor, num_active: int
) -> None:
    """Adds to hidden [T, C] each token's `num_active` best experts, weighted by the router.

    Which experts run is decided on the host: the one synchronisation that a layer of experts
    costs on a GPU, and what spares loading the others' weights.

    Args:
        mlp: router and experts.
        normed: [T, C], what the experts read.
        hidden: [T, C], changed in place.
        num_active: experts per token.
    """
    scores = torch.mm(normed, mlp.router).float().softmax(-1)
    shares, chosen = scores.topk(num_active, dim=-1)
    shares = (shares / shares.sum(-1, keepdim=True)).to(hidden.dtype)
    wanted: list[list[int]] = cast("Any", chosen).tolist()  # torch leaves it untyped
    if len(wanted) == 1:
        for column, expert in enumerate(wanted[0]):
            hidden.add_(_expert(mlp, expert, normed).mul_(shares[:, column : column + 1]))
        return
    for expert in sorted({idx for row in wanted for idx in row}):
        rows, columns = torch.where(chosen == expert)
        output = _expert(mlp, expert, normed[rows])
        hidden.index_add_(0, rows, output.mul_(shares[rows, columns, None]))


def _expert(mlp: ExpertMlp, idx: int, normed: torch.Tensor) -> torch.Tensor:
    gate, up = torch.mm(normed, mlp.gate_up[idx]).chunk(2, dim=-1)
    return torch.mm(silu(gate).mul_(up), mlp.down[idx])
