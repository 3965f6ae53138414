"""Infill prompts as token ids, never as a string: a sentinel in the user's text stays plain text.

The forms are those the models were trained with:

    psm   [bos] {files} <PRE> {extra}{prefix} <SUF>{suffix} <MID>{middle_start}
    spm   [bos] {files} <PRE> <SUF>{suffix} <MID> {extra}{prefix}{middle_start}

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
from midfill_engine.text.extra_files import Extra, PlacedExtra, place_extra
from midfill_engine.text.families import InfillFamily, Order
from midfill_engine.text.heal import MAX_BYTES, Healing, PieceIndex
from midfill_engine.text.tokenizer import Tokenizer


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


NO_EXTRA = Extra()


def build_infill(
    tokenizer: Tokenizer,
    family: InfillFamily,
    *,
    prefix: str,
    suffix: str,
    budget_tokens: int,
    middle_start: str = "",
    extra: Extra = NO_EXTRA,
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
        extra: other files; at most a quarter of the budget, whatever prefix and suffix leave.
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
    placed = place_extra(tokenizer, family, extra, budget_tokens // 4)
    middle_part = tokenizer.encode(middle_start, bos=False, leading_space=False)
    if order == "spm" or len(middle_part) > budget_tokens // 4:
        prefix, middle_part = prefix + middle_start, []
    room = budget_tokens - len(suffix_part) - placed.num_tokens - _NUM_SENTINELS
    room = max(1, room - _in_steps(len(middle_part), budget_tokens))
    prefix_part, prefix_cut = _prefix(tokenizer, prefix, placed, room)
    healing = None if heal is None else _take_back(tokenizer, heal, middle_part or prefix_part)
    body = _arrange(family, order, prefix_part, suffix_part)
    ids = (*tokenizer.encode("", bos=True), *placed.ids, *body, *middle_part)
    if len(ids) > budget_tokens:
        raise ValueError(f"{len(ids)} tokens do not fit into {budget_tokens}")
    return InfillPrompt(ids, suffix_cut or placed.cut or prefix_cut, order, healing)


MIN_BUDGET_TOKENS = 32
"""A prompt of this size holds the sentinels and something of every part (found by trying: 9)."""

_NUM_SENTINELS = 5
"""Beginning of sequence, three sentinels, and the implicit leading space."""


def _prefix(
    tokenizer: Tokenizer, text: str, extra: PlacedExtra, room: int
) -> tuple[list[int], bool]:
    """The other files' text and the end of the prefix, as ids, and whether anything was cut.

    A text of more tokens than characters may still be too long after the anchored cut; then its
    first tokens go.
    """
    start = window.prefix_start(tokenizer, text, room)
    ids = tokenizer.encode(extra.text + text[start:], bos=False)
    hard_cut = max(0, len(ids) - max(0, room + extra.num_tokens - len(extra.ids)))
    return ids[hard_cut:], start > 0 or hard_cut > 0


def _take_back(tokenizer: Tokenizer, pieces: PieceIndex, ids: list[int]) -> Healing | None:
    """Cut the tokens that the cursor may stand in off the end of `ids`."""
    kept_len = len(ids) - pieces.take_back(ids)
    taken = tuple(ids[kept_len:])
    del ids[kept_len:]
    text = b"".join(map(tokenizer.token_bytes, taken))
    return Healing(text, pieces, taken) if text else None


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
