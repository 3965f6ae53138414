"""Placement of prompts on slots."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midfill_engine.runtime.slots import SlotTable, common_prefix_len

tokens = st.lists(st.integers(0, 2), max_size=40)


@given(tokens, tokens, st.integers(-1, 50))
def test_common_prefix_len_agrees_with_a_plain_loop(
    first: list[int], second: list[int], limit: int
) -> None:
    expected = 0
    for one, other in zip(first, second, strict=False):
        if one != other or expected >= limit:
            break
        expected += 1
    assert common_prefix_len(first, second, limit) == expected


def fill(table: SlotTable, prompt: list[int], session: str | None = None) -> int:
    placement = table.acquire(prompt, session, reuse=True)
    assert placement is not None
    table.extend(placement.slot, prompt[placement.cached_len :])
    table.release(placement.slot, keep=True)
    table.check_integrity()
    return placement.slot


def test_one_more_token_reuses_all_but_it() -> None:
    table = SlotTable(2)
    slot = fill(table, [1, 2, 3])
    placement = table.acquire([1, 2, 3, 4], None, reuse=True)
    assert placement is not None
    assert (placement.slot, placement.cached_len, placement.copy_from) == (slot, 3, None)


def test_the_last_prompt_token_is_always_computed() -> None:
    table = SlotTable(1)
    fill(table, [1, 2, 3])
    placement = table.acquire([1, 2, 3], None, reuse=True)
    assert placement is not None
    assert placement.cached_len == 2
    assert list(table.tokens(0)) == [1, 2]


def test_a_session_keeps_its_slot_and_copies_what_another_slot_holds() -> None:
    table = SlotTable(3)
    mine = fill(table, [9, 9], "a")
    other = fill(table, [1, 2, 3, 4], "b")
    placement = table.acquire([1, 2, 3, 5], "a", reuse=True)
    assert placement is not None
    assert (placement.slot, placement.cached_len, placement.copy_from) == (mine, 3, other)


def test_a_session_is_evicted_only_when_there_is_no_other_room() -> None:
    table = SlotTable(3)
    first = fill(table, [1, 1], "a")
    second = fill(table, [2, 2], "b")
    third = fill(table, [3, 3])
    assert {first, second, third} == {0, 1, 2}
    assert fill(table, [4, 4], "c") == third
    assert fill(table, [5, 5], "d") == first


def test_a_few_common_tokens_do_not_cost_another_text_its_slot() -> None:
    """All infill prompts begin alike: requests without a session overwrote each other's texts."""
    table = SlotTable(3)
    first = fill(table, [1, 7, 20, 21, 22, 23])
    second = fill(table, [1, 7, 30, 31, 32, 33])
    assert first != second
    placement = table.acquire([1, 7, 20, 21, 22, 40], None, reuse=True)
    assert placement is not None
    assert (placement.slot, placement.cached_len, placement.copy_from) == (first, 5, None)


def test_busy_slots_are_never_taken_but_may_be_copied_from() -> None:
    table = SlotTable(2)
    running = table.acquire([1, 2, 3], None, reuse=True)
    assert running is not None
    table.extend(running.slot, [1, 2, 3])
    second = table.acquire([1, 2, 3, 4], None, reuse=True)
    assert second is not None
    assert second.slot != running.slot
    assert (second.cached_len, second.copy_from) == (3, running.slot)
    assert table.acquire([1], None, reuse=True) is None


@pytest.mark.parametrize("keep", [True, False])
def test_release_keeps_or_forgets(keep: bool) -> None:
    table = SlotTable(1)
    placement = table.acquire([1, 2], "a", reuse=False)
    assert placement is not None
    table.extend(0, [1, 2])
    table.release(0, keep=keep)
    again = table.acquire([1, 2], None, reuse=True)
    assert again is not None
    assert again.cached_len == (1 if keep else 0)


def test_random_walk_keeps_integrity() -> None:
    rng = random.Random(7)
    table = SlotTable(4)
    busy: list[tuple[int, str | None]] = []
    for _ in range(2000):
        open_sessions = {session for _, session in busy}
        session = rng.choice([None, "a", "b", "c", "d", "e"])
        if rng.random() < 0.5 and (session is None or session not in open_sessions):
            prompt = [rng.randrange(3) for _ in range(rng.randrange(1, 12))]
            placement = table.acquire(prompt, session, reuse=rng.random() < 0.9)
            if placement is not None:
                assert list(table.tokens(placement.slot)) == prompt[: placement.cached_len]
                table.extend(placement.slot, prompt[placement.cached_len :])
                busy.append((placement.slot, session))
        elif busy:
            slot, _ = busy.pop(rng.randrange(len(busy)))
            table.release(slot, keep=rng.random() < 0.8)
        table.check_integrity()


def test_common_prefixes_are_those_of_a_plain_loop() -> None:
    rng = random.Random(8)
    for _ in range(500):
        first = [rng.randrange(2) if rng.random() < 0.02 else 0 for _ in range(rng.randrange(120))]
        second = [rng.randrange(2) if rng.random() < 0.02 else 0 for _ in range(rng.randrange(120))]
        limit = rng.randrange(-1, 120)
        expected = 0
        while (
            expected < min(len(first), len(second), limit) and first[expected] == second[expected]
        ):
            expected += 1
        assert common_prefix_len(first, second, limit) == expected
