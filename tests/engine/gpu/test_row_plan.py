"""What goes where in a step: bodies, rows, groups, padding, and who chooses."""

from __future__ import annotations

import random

import numpy as np
import pytest

from midfill_engine.exec import row_plan
from midfill_engine.exec.graphs import ROW_SIZES, Size, sizes_ahead
from midfill_engine.exec.row_plan import batches, chosen_on_device, cut, fill
from midfill_engine.exec.sampling import uniform
from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.exec.work import Work

GREEDY = SamplingParams()
DRAWN = SamplingParams(temperature=0.7, seed=5)
MAX_ROWS = 64


def test_short_works_are_rows_and_long_ones_leave_their_end() -> None:
    short = cut(0, Work(3, range(16), 4, 0, GREEDY), MAX_ROWS)
    assert (short.num_rows, list(short.body), short.work.start) == (16, [], 4)
    long = cut(0, Work(3, range(30), 4, 2, GREEDY), MAX_ROWS)
    assert (list(long.work.token_ids), long.work.start) == ([27, 28, 29], 31)
    assert (list(long.body), long.body_start) == (list(range(27)), 4)
    silent = cut(0, Work(3, range(5), 4), MAX_ROWS)
    assert (silent.num_rows, list(silent.body)) == (0, list(range(5)))


@pytest.mark.parametrize("num_inputs", [1, 2, 16, 17, 40])
def test_the_cut_does_not_depend_on_drafts(num_inputs: int) -> None:
    bodies = {
        tuple(cut(0, Work(0, range(num_inputs + drafts), 0, drafts, GREEDY), MAX_ROWS).body)
        for drafts in range(17)
    }
    assert len(bodies) == 1


def test_drafts_beyond_a_step_are_dropped_with_their_masks() -> None:
    masks = [None] * 101
    part = cut(0, Work(0, range(110), 0, 100, GREEDY, allowed=masks), MAX_ROWS)
    assert (part.num_rows, part.work.num_drafts, len(part.work.allowed)) == (64, 54, 55)


def test_steps_hold_everybody_once_and_in_order() -> None:
    rng = random.Random(1)
    for _ in range(50):
        works = [
            Work(
                slot, range(count := rng.randrange(1, 40)), 0, rng.randrange(min(count, 17)), GREEDY
            )
            for slot in range(rng.randrange(1, 33))
        ]
        parts = [cut(idx, work, MAX_ROWS) for idx, work in enumerate(works)]
        steps = batches(parts, MAX_ROWS)
        assert [part for step in steps for part in step] == parts
        assert all(sum(part.num_rows for part in step) <= MAX_ROWS for step in steps)
    assert batches([], MAX_ROWS) == []


def test_the_table_of_a_step() -> None:
    parts = [
        cut(0, Work(7, [5, 6, 8], 10, 2, DRAWN), MAX_ROWS),
        cut(1, Work(2, range(20, 38), 3, 17, GREEDY), MAX_ROWS),
    ]
    table = np.full((row_plan.NUM_FIELDS, 24), 99, dtype=np.int64)
    fill(table, parts)
    assert table[row_plan.TOKEN].tolist() == [5, 6, 8, *range(20, 38), 0, 0, 0]
    assert table[row_plan.POSITION].tolist() == [10, 11, 12, *range(3, 21), -1, -1, -1]
    assert table[row_plan.SLOT].tolist() == [7] * 3 + [2] * 18 + [0] * 3
    assert table[row_plan.DRAFT].tolist() == [6, 8, -1, *range(21, 38), -1, -1, -1, -1]
    groups = table[row_plan.GROUP_SLOT : row_plan.GROUP_END + 1, :4]
    assert groups.T.tolist() == [[7, 0, 3, 13], [2, 3, 16, 19], [2, 19, 2, 21], [0, 0, 0, 0]]
    floats = table.view(np.float64)
    assert floats[row_plan.TEMPERATURE, :4].tolist() == [0.7, 0.7, 0.7, 0.0]
    assert floats[row_plan.FRACTION, :4].tolist() == [uniform(5, at) for at in (11, 12, 13)] + [0.0]


@pytest.mark.parametrize(
    ("work", "on_device"),
    [
        (Work(0, [1], 0, 0, GREEDY), True),
        (Work(0, [1], 0, 0, DRAWN), True),
        (Work(0, [1], 0, 0, DRAWN, allowed=[None]), True),
        (Work(0, [1], 0, 0, SamplingParams(top_k=3)), True),
        (Work(0, [1], 0, 0, SamplingParams(temperature=1.0, top_k=3)), False),
        (Work(0, [1], 0, 0, SamplingParams(repetition_penalty=1.1)), False),
        (Work(0, [1], 0, 0, GREEDY, allowed=[np.ones(4, dtype=np.bool_)]), False),
        (Work(0, [1], 0), False),
    ],
)
def test_who_chooses(work: Work, on_device: bool) -> None:
    assert chosen_on_device(work) == on_device


def test_sizes_hold_what_they_are_for() -> None:
    for rows in range(1, MAX_ROWS + 1):
        for groups in range(1, rows + 1):
            size = Size.of(rows, groups)
            assert size.num_rows in ROW_SIZES
            assert size.num_rows >= rows
            assert size.num_rows >= size.num_groups >= groups
    assert (
        len({Size.of(rows, groups) for rows in range(1, 65) for groups in range(1, rows + 1)}) == 15
    )


@pytest.mark.parametrize("max_rows", [16, MAX_ROWS])
@pytest.mark.parametrize("num_sequences", [1, 2, 3, 8, 32, 500])
def test_every_size_that_can_arise_is_captured_ahead(num_sequences: int, max_rows: int) -> None:
    """A crowd's sizes were captured while its requests waited."""
    ahead = sizes_ahead(num_sequences, max_rows)
    assert len(ahead) == len(set(ahead))
    rng = random.Random(num_sequences)
    for _ in range(500):
        works = [
            Work(idx, [1] * (inputs + drafts), 0, drafts, GREEDY)
            for idx in range(rng.randint(1, num_sequences))
            for inputs, drafts in [(rng.choice([1, 1, 2, 15, 16, 17, 40]), rng.randint(0, 16))]
        ]
        parts = [cut(idx, work, max_rows) for idx, work in enumerate(works)]
        for batch in batches(parts, max_rows):
            num_groups = sum(part.num_groups for part in batch)
            assert Size.of(sum(part.num_rows for part in batch), num_groups) in ahead


def test_one_typing_user_needs_few_sizes() -> None:
    few = [Size(1, 1), Size(4, 1), Size(8, 1), Size(16, 1)]
    assert sizes_ahead(1, 16) == few
    assert sizes_ahead(1, 64) == [*few, Size(32, 4), Size(64, 4)]
