"""The optimizers: Muon for the matrices of the layers, AdamW for embedding and norms.

Muon: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/ (momentum, then the nearest
orthogonal matrix by five Newton-Schulz steps). Called by ``training.train``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from training.model import Decoder


class Muon(Optimizer):
    """Momentum whose update is orthogonalised; for weights [out, in] only."""

    def __init__(
        self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, decay: float = 0.0
    ) -> None:
        """Takes the matrices; ``decay`` is decoupled, scaled by ``lr``."""
        super().__init__(list(params), {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # pyright: ignore
        """Updates every matrix that has a gradient; matrices of one shape go together."""
        assert closure is None
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    shapes.setdefault(weight.shape, []).append(weight)
            for weights in shapes.values():
                self._update(weights, group)

    def _update(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        updates: list[Tensor] = []
        for weight in weights:
            assert weight.grad is not None
            state = self.state[weight]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(weight)
            state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
            updates.append(weight.grad.lerp(state["momentum"], group["momentum"]))
        scale = max(1.0, weights[0].shape[0] / weights[0].shape[1]) ** 0.5
        for weight, update in zip(weights, orthogonal(torch.stack(updates)), strict=True):
            weight.mul_(1 - group["lr"] * group["decay"])
            weight.add_(update.to(weight.dtype), alpha=-group["lr"] * scale)


def orthogonal(matrices: Tensor, num_steps: int = 5) -> Tensor:
    """Returns [N, R, C] with all singular values pushed to about 1, in bfloat16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x: Tensor = matrices.bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.square().sum(dim=(1, 2), keepdim=True).sqrt() + 1e-7)
    for _ in range(num_steps):
        gram: Tensor = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.mT if tall else x


def optimizers(model: Decoder, matrix_lr: float, embed_lr: float) -> list[Optimizer]:
    """Returns Muon over the layers' matrices and AdamW over the rest, at their peak rates."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    embeds = [p for n, p in model.named_parameters() if "embed" in n]
    norms = [p for p in model.parameters() if p.ndim == 1]
    adam = AdamW(
        [{"params": embeds, "lr": embed_lr}, {"params": norms, "lr": embed_lr}],
        betas=(0.9, 0.95), eps=1e-10, weight_decay=0.0, fused=True,
    )  # fmt: skip
    return [Muon(matrices, lr=matrix_lr, decay=0.05), adam]
