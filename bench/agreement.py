"""Where another model would have said the same next token: the worth of a draft model.

A draft is right until its first wrong token, so one pass over the known completion tells as much
as drafting would. Called by ``bench.drafts``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from training.reference import Reference

from bench.adaptive import Adaptive, FileCounts
from bench.backends import Ask

Agrees = Callable[[Ask, Sequence[int]], list[bool]]
"""(request, ids of its completion) -> for each id whether the other model's best is the same."""


def of_model(folder: Path) -> Agrees:
    """Returns the agreement of a model with transformers, asked in the same way."""
    reference = Reference(folder)

    @torch.inference_mode()
    def agrees(ask: Ask, known: Sequence[int]) -> list[bool]:
        if not known:
            return []
        variant = ask.variant
        prompt = reference.prompt(
            ask.prefix, ask.suffix, variant.order, ask.num_predict, variant.heal
        )
        ids = torch.tensor([[*prompt.ids, *known]])
        best = reference.model(input_ids=ids).logits[0, len(prompt.ids) - 1 : -1].argmax(-1)
        return [one == other for one, other in zip(best.tolist(), known, strict=True)]

    return agrees


def of_ngram(model: Adaptive) -> Agrees:
    """Returns the agreement of the n-gram model, which sees the prefix only."""

    def agrees(ask: Ask, known: Sequence[int]) -> list[bool]:
        context, _ = model.prompt(ask.prefix)
        counts = FileCounts(context, model.order)
        flags: list[bool] = []
        for idx in known:
            flags.append(int(model.distribution(context, counts).argmax()) == idx)
            context.append(idx)
        return flags

    return agrees
