"""An infill prompt as the served model wants it: the request's wishes, then the model's defaults.

Called by the dialects that infill: `/infill`, and `/v1/completions` with a suffix.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from midfill_engine.serve.served import Served
from midfill_engine.text.extra_files import Extra
from midfill_engine.text.families import InfillFamily, Order
from midfill_engine.text.fim import NO_EXTRA, InfillPrompt, build_infill
from midfill_engine.text.window import prompt_budget


@dataclass(frozen=True, slots=True)
class InfillTexts:
    """What to infill.

    Attributes:
        prefix: text before the cursor.
        suffix: text after it.
        middle_start: text that the middle begins with (llama.cpp's `prompt`).
        extra: other files.
        order: None takes the model's own.
        heal: whether to heal the text before the cursor; None takes the model's own.
    """

    prefix: str
    suffix: str
    middle_start: str = ""
    extra: Extra = NO_EXTRA
    order: Order | None = None
    heal: bool | None = None

    @property
    def num_chars(self) -> int:
        """Characters to tokenise at most."""
        extra = sum(len(file.text) for file in self.extra.files)
        return len(self.prefix) + len(self.suffix) + len(self.middle_start) + extra


async def infill_prompt(
    texts: InfillTexts, served: Served, family: InfillFamily, budget_tokens: int
) -> InfillPrompt:
    """The prompt, of at most `budget_tokens`; long work is done off the event loop."""
    total = served.max_total_tokens
    budget_tokens = min(prompt_budget(total, total - budget_tokens), served.max_infill_tokens)
    texts = _with_defaults(texts, served, family)
    builds_index = bool(texts.heal) and not served.pieces.ready
    if builds_index or texts.num_chars > served.limits.inline_chars:
        return await asyncio.to_thread(_build, texts, served, family, budget_tokens)
    return _build(texts, served, family, budget_tokens)


def _with_defaults(texts: InfillTexts, served: Served, family: InfillFamily) -> InfillTexts:
    defaults = served.infill_defaults
    order = texts.order or defaults.order or family.orders[0]
    heal = defaults.heal if texts.heal is None else texts.heal
    texts = replace(texts, order=order, heal=heal)
    if order == "psm" and defaults.line_start == "middle" and not texts.middle_start:
        start = texts.prefix.rfind("\n") + 1
        prefix, line_start = texts.prefix[:start], texts.prefix[start:]
        return replace(texts, prefix=prefix, middle_start=line_start)
    return texts


def _build(
    texts: InfillTexts, served: Served, family: InfillFamily, budget_tokens: int
) -> InfillPrompt:
    return build_infill(
        served.tokenizer,
        family,
        prefix=texts.prefix,
        suffix=texts.suffix,
        middle_start=texts.middle_start,
        extra=texts.extra,
        order=texts.order,
        heal=served.pieces if texts.heal else None,
        budget_tokens=budget_tokens,
    )
