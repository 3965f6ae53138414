"""Infill prompts as token ids, never as a string: a sentinel in the user's text stays plain text.

The forms are those the models were trained with:

    psm   [bos] <PRE> {extra}{prefix} <SUF>{suffix} <MID>{middle_start}
    spm   [bos] <PRE> <SUF>{suffix} <MID> {extra}{prefix}{middle_start}

and for a family without a middle sentinel (Codestral) `[bos] <SUF>{suffix} <PRE>{prefix}`.
Prefix and suffix are encoded as in facebookresearch/codellama, `infilling_prompt_tokens`: the
prefix as any text (with Llama's implicit leading space), the suffix without that space. With the
suffix first, typing only appends tokens. Called by `serve`.

With healing, the last tokens of the text right before the cursor (the prefix's end, or the middle's
start) are taken back, and what is generated begins with them (`heal`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midfill_engine.text import window
from midfill_engine.text.families import InfillFamily, Order
from midfill_engine.text.heal import MAX_BYTES, Healing, PieceIndex
from midfill_engine.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class ExtraFile:
    """Another file, shown to the model before the prefix."""

    filename: str
    text: str


@dataclass(frozen=True, slots=True)
class InfillPrompt:
    """A prompt ready to run.

    Attributes:
        ids: the tokens, at most the budget.
        truncated: whether prefix, suffix or extra files were cut.
        order: the order that was used.
        healing: what was taken back from the text before the cursor; None: nothing.
    """

    ids: tuple[int, ...]
    truncated: bool
    order: Order
    healing: Healing | None = None


def build_infill(
    tokenizer: Tokenizer,
    family: InfillFamily,
    *,
    prefix: str,
    suffix: str,
    budget_tokens: int,
    middle_start: str = "",
    extra: Sequence[ExtraFile] = (),
    order: Order | None = None,
    heal: PieceIndex | None = None,
) -> InfillPrompt:
    """Build the prompt for the text between `prefix` and `suffix`.

    Args:
        tokenizer: the model's vocabulary.
        family: its sentinels.
        prefix: text before the cursor; cut at its front, in large steps.
        suffix: text after the cursor; at most a quarter of the budget, cut at its end.
        budget_tokens: most tokens the prompt may have, at least MIN_BUDGET_TOKENS.
        middle_start: text that the middle begins with (llama.cpp's `prompt`); a long one counts
            as the prefix's end.
        extra: other files, the most important last; at most a quarter of the budget.
        order: None takes the model's own.
        heal: the vocabulary to heal the text before the cursor with; None leaves it as it is.
            MAX_BYTES tokens of the budget then stay free, to repeat what is taken back.

    Raises:
        ValueError: the family does not know the order.
    """
    order = order or family.orders[0]
    if order not in family.orders:
        raise ValueError(f"{family.name} knows {', '.join(family.orders)}, not {order}")
    if heal is not None:
        budget_tokens -= MAX_BYTES
    suffix_part, suffix_cut = window.suffix_ids(tokenizer, suffix, budget_tokens // 4)
    extra_parts, extra_cut = _extra_files(tokenizer, family, extra, budget_tokens // 4)
    middle_part = tokenizer.encode(middle_start, bos=False, leading_space=False)
    if order == "spm" or len(middle_part) > budget_tokens // 4:
        prefix, middle_part = prefix + middle_start, []
    room = budget_tokens - len(suffix_part) - extra_parts.num_tokens - _NUM_SENTINELS
    room = max(1, room - _in_steps(len(middle_part), budget_tokens))
    prefix_part, prefix_cut = _prefix(tokenizer, prefix, extra_parts, room)
    healing = None if heal is None else _take_back(tokenizer, heal, middle_part or prefix_part)
    body = _arrange(family, order, prefix_part, suffix_part)
    ids = (*tokenizer.encode("", bos=True), *extra_parts.ids, *body, *middle_part)
    if len(ids) > budget_tokens:
        raise ValueError(f"{len(ids)} tokens do not fit into {budget_tokens}")
    return InfillPrompt(ids, suffix_cut or extra_cut or prefix_cut, order, healing)


MIN_BUDGET_TOKENS = 32
"""A prompt of this size holds the sentinels and something of every part (found by trying: 9)."""

_NUM_SENTINELS = 5
"""Beginning of sequence, three sentinels, and the implicit leading space."""


@dataclass(frozen=True, slots=True)
class _Extra:
    """Extra files: as ids before the first sentinel, or as text before the prefix."""

    ids: tuple[int, ...]
    text: str
    num_tokens: int


def _prefix(tokenizer: Tokenizer, text: str, extra: _Extra, room: int) -> tuple[list[int], bool]:
    """The other files' text and the end of the prefix, as ids, and whether anything was cut.

    A text of more tokens than characters may still be too long after the anchored cut; then its
    first tokens go.
    """
    start = window.prefix_start(tokenizer, text, room)
    ids = tokenizer.encode(extra.text + text[start:], bos=False)
    hard_cut = max(0, len(ids) - max(0, room + extra.num_tokens - len(extra.ids)))
    return ids[hard_cut:], start > 0 or hard_cut > 0


def _extra_files(
    tokenizer: Tokenizer, family: InfillFamily, extra: Sequence[ExtraFile], limit_tokens: int
) -> tuple[_Extra, bool]:
    """As many of the last files as fit, in their order, and whether any was left out."""
    ids: list[int] = []
    texts: list[str] = []
    num_tokens = 0
    for file in reversed(extra):
        header = f"{file.filename}\n" if family.file_id is not None else ""
        text = header + file.text if file.text.endswith("\n") else f"{header}{file.text}\n"
        encoded = tokenizer.encode(text, bos=False, leading_space=False)
        if num_tokens + len(encoded) + 1 > limit_tokens:
            return _Extra(tuple(ids), "".join(texts), num_tokens), True
        num_tokens += len(encoded) + 1
        if family.file_id is None:
            texts.insert(0, text)
        else:
            ids[:0] = [family.file_id, *encoded]
    if ids and family.file_id is not None:
        ids.append(family.file_id)
    return _Extra(tuple(ids), "".join(texts), num_tokens), False


def _take_back(tokenizer: Tokenizer, pieces: PieceIndex, ids: list[int]) -> Healing | None:
    """Cut the tokens that the cursor may stand in off the end of `ids`."""
    kept_len = len(ids) - pieces.take_back(ids)
    text = b"".join(tokenizer.token_bytes(token_id) for token_id in ids[kept_len:])
    del ids[kept_len:]
    return Healing(text, pieces) if text else None


def _arrange(
    family: InfillFamily, order: Order, prefix: Sequence[int], suffix: Sequence[int]
) -> list[int]:
    if family.middle_id is None:
        return [family.suffix_id, *suffix, family.prefix_id, *prefix]
    if order == "spm":
        return [family.prefix_id, family.suffix_id, *suffix, family.middle_id, *prefix]
    return [family.prefix_id, *prefix, family.suffix_id, *suffix, family.middle_id]


def _in_steps(num_tokens: int, budget_tokens: int) -> int:
    """Room set aside for the middle's start, in steps, so that typing in it keeps the cut."""
    step = max(8, min(128, budget_tokens // 16))
    return -(-num_tokens // step) * step
