"""The rows of one step of the native decoder, and what the step tells of them. Knows no kernels.

Called by `native` and `exec.forward`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one step, which may belong to one sequence or to several.

    Row r is token_ids[r] at positions[r] of slots[r]: its keys and values are written there, and
    it reads positions [0, positions[r]] of its slot. Rows of one slot come in ascending positions.
    """

    token_ids: Sequence[int]
    positions: Sequence[int]
    slots: Sequence[int]
    logit_rows: Sequence[int]
    """Which rows' logits are wanted, ascending."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step tells of the rows whose logits were wanted, in their order.

    Attributes:
        best: the token with the largest logit, the lowest id among equals.
        logprobs: its natural log-probability; NaN where a logit is NaN or the largest infinite.
        logits: [rows, V] float32, where they were asked for.
    """

    best: list[int]
    logprobs: list[float]
    logits: npt.NDArray[np.float32] | None


def check_rows(rows: Rows, vocab_size: int, max_len: int, num_slots: int) -> None:
    """Returns if every index is inside its bound; the library trusts what it is given.

    Raises:
        ValueError: one is not, or the rows do not fit each other.
    """
    count = len(rows.token_ids)
    if not count or len(rows.positions) != count or len(rows.slots) != count:
        raise ValueError(
            f"{count} tokens at {len(rows.positions)} positions of {len(rows.slots)} slots; "
            "a step needs at least one row, and as many of each"
        )
    _check_range("token id", rows.token_ids, vocab_size)
    _check_range("position", rows.positions, max_len)
    _check_range("slot", rows.slots, num_slots)
    if rows.logit_rows:
        _check_range("logit row", rows.logit_rows, count)
        _check_ascending("logit rows", rows.logit_rows)
    if isinstance(rows.positions, range) and len(set(rows.slots)) == 1:
        return
    for slot in set(rows.slots):
        _check_ascending(
            f"positions of slot {slot}",
            [at for at, owner in zip(rows.positions, rows.slots, strict=True) if owner == slot],
        )


def _check_range(name: str, values: Sequence[int], bound: int) -> None:
    lowest, highest = min(values), max(values)
    if lowest < 0 or highest >= bound:
        wrong = lowest if lowest < 0 else highest
        raise ValueError(f"{name} {wrong} is outside [0, {bound})")


def _check_ascending(name: str, values: Sequence[int]) -> None:
    for before, after in pairwise(values):
        if after <= before:
            raise ValueError(f"the {name} do not ascend: {before}, {after}")
