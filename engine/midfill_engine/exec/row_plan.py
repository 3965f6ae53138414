"""Which tokens of a step go where on a GPU: long parts of prompts by themselves, rows together.

    work     |──── inputs ────|─ drafts ─|
    short    |─────────── rows ──────────|        up to 16 inputs: all of it in the common step
    long     |─── body ─────|─── rows ───|        else the last input and the drafts only

Where the cut lies follows from a work's own inputs: not from the drafts, nor from who shares the
step. So what a row computes does not either (`kernels.triton_products`). Knows no tensors.
Called by `gpu_forward` and `graphs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from midfill_engine.exec.sampling import uniform
from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.exec.work import Work

MOST_INPUTS = 16
"""Inputs that still go into the common step: one tile of rows."""
GROUP_ROWS = 16
"""Rows that attention takes at once, `kernels.gpu_interface.QUERIES`."""

TOKEN, POSITION, SLOT, DRAFT, GROUP_SLOT, GROUP_FIRST, GROUP_COUNT, GROUP_END = range(8)
TEMPERATURE, FRACTION = 8, 9
NUM_FIELDS = 10
"""Lines of `Table`."""

Table: TypeAlias = npt.NDArray[np.int64]
"""[NUM_FIELDS, R]: what a step is told, one transfer. The last two lines are float64's bits."""


@dataclass(frozen=True, slots=True)
class Part:
    """One work's share of a step.

    Attributes:
        idx: which of the works.
        work: its rows alone: the body is cut off, and drafts that no step can hold.
        body: tokens that are run before, at [body_start, work.start).
        body_start: position of the first of them.
    """

    idx: int
    work: Work
    body: Sequence[int]
    body_start: int

    @property
    def num_rows(self) -> int:
        """Rows in the common step."""
        return len(self.work.token_ids)

    @property
    def num_groups(self) -> int:
        """Groups of them."""
        return -(-self.num_rows // GROUP_ROWS)


def cut(idx: int, work: Work, max_rows: int) -> Part:
    """Returns a work's part; `max_rows` is what a step holds."""
    assert not work.scored_ids, "prompts whose every place is scored are no rows"
    if work.sampling is None:  # nothing is chosen, so nobody waits for its rows
        rest = replace(work, token_ids=(), start=work.start + len(work.token_ids))
        return Part(idx, rest, work.token_ids, work.start)
    num_inputs = len(work.token_ids) - work.num_drafts
    body_len = 0 if num_inputs <= MOST_INPUTS else num_inputs - 1
    num_drafts = min(work.num_drafts, max_rows - (num_inputs - body_len))
    rows = replace(
        work,
        token_ids=work.token_ids[body_len : num_inputs + num_drafts],
        start=work.start + body_len,
        num_drafts=num_drafts,
        allowed=work.allowed[: 1 + num_drafts],
    )
    return Part(idx, rows, work.token_ids[:body_len], work.start)


def batches(parts: Iterable[Part], max_rows: int) -> list[list[Part]]:
    """Returns the parts that have rows, in order, in steps of up to `max_rows` rows."""
    found: list[list[Part]] = []
    left = 0
    for part in parts:
        if not part.num_rows:
            continue
        assert part.num_rows <= max_rows, "`cut` leaves no more"
        if part.num_rows > left:
            found.append([])
            left = max_rows
        found[-1].append(part)
        left -= part.num_rows
    return found


def fill(table: Table, parts: Sequence[Part]) -> None:
    """Writes a step's rows and groups into `table` and pads the rest.

    A row that pads has the position -1, a group that pads the count 0.
    """
    table.fill(0)
    table[POSITION].fill(-1)
    table[DRAFT].fill(-1)
    floats = table.view(np.float64)
    row = group = 0
    for part in parts:
        work, count = part.work, part.num_rows
        rows = slice(row, row + count)
        table[TOKEN, rows] = work.token_ids
        table[POSITION, rows] = range(work.start, work.start + count)
        table[SLOT, rows] = work.slot
        first_choice = row + count - 1 - work.num_drafts
        if work.num_drafts:
            table[DRAFT, first_choice : row + count - 1] = work.token_ids[-work.num_drafts :]
        if drawn_on_device(work):
            assert work.sampling is not None, "nothing to choose"
            floats[TEMPERATURE, rows] = work.sampling.temperature
            for at in range(first_choice, row + count):
                position = work.start + at - row + 1  # of the token behind that row
                floats[FRACTION, at] = uniform(work.sampling.seed, position)
        for begin in range(0, count, GROUP_ROWS):
            size = min(GROUP_ROWS, count - begin)
            table[GROUP_SLOT, group] = work.slot
            table[GROUP_FIRST, group] = row + begin
            table[GROUP_COUNT, group] = size
            table[GROUP_END, group] = work.start + begin + size
            group += 1
        row += count


def chosen_on_device(work: Work) -> bool:
    """Whether the step itself chooses: greedily or by temperature alone, and among all tokens.

    Everything else a request may ask for is done on the host, by `sampling`.
    """
    params = work.sampling
    if work.plain or params is None:
        return work.plain
    if work.top_n or work.scored_ids or any(mask is not None for mask in work.allowed):
        return False
    return replace(params, temperature=0.0, seed=0) == SamplingParams()


def drawn_on_device(work: Work) -> bool:
    """Whether the step draws its tokens, with numbers that the host gives."""
    return work.sampling is not None and not work.sampling.greedy and chosen_on_device(work)
