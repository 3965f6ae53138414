"""The engine's rule keeps sessions apart, and the bench tells."""

from __future__ import annotations

from bench.eviction import LeastRecent, Request, share

from midfill_engine.runtime.slots import SlotTable


def test_two_files_and_a_stranger_on_two_slots() -> None:
    typed = [
        Request(name, tuple(range(base, base + length)))
        for length in range(50, 90)
        for name, base in (("one", 1000), ("two", 2000))
    ]
    assert share(SlotTable(2), typed) == share(SlotTable(8), typed) > 0.95
    assert share(SlotTable(1), typed) == 0.0
    stranger = Request(None, tuple(range(500)))
    between = [request for typing in typed for request in (typing, stranger)]
    assert share(SlotTable(3), between) == share(SlotTable(8), typed)


def test_without_sessions_a_neighbour_is_cut() -> None:
    """A new file that begins as another does takes its slot, though one is left to lose."""
    common = tuple(range(100))
    requests = [
        Request("old", (*range(900, 990),)),
        Request("one", common),
        Request("two", (*common[:60], 7, 8, 9)),
        Request("one", (*common, 1)),
    ]
    assert share(SlotTable(2), requests) > share(LeastRecent(2), requests)
