"""The wait before an automatic request."""

from __future__ import annotations

import pytest

from midfill_lsp.complete.rhythm import Rhythm
from midfill_lsp.config import CompletionConfig
from tests.lsp.complete.world import World, with_config

AUTO = CompletionConfig()


def rhythm(gap_s: float | None, latency_s: float | None) -> Rhythm:
    made = Rhythm()
    if gap_s is not None:
        for idx in range(10):
            made.key(idx * gap_s)
    if latency_s is not None:
        for _ in range(5):
            made.answered(latency_s)
    return made


@pytest.mark.parametrize(
    ("gap_s", "latency_s", "wait_s"),
    [
        (None, None, 0.01),
        (0.2, 0.06, 0.01),  # a fast engine: almost at once
        (0.2, 0.3, 0.01),
        (0.2, 0.45, 0.125),
        (0.2, 0.6, 0.25),  # a slow server: when a pause is likely
        (0.2, 3.0, 0.25),
        (0.1, 1.0, 0.125),  # a fast typist pauses sooner
        (0.5, 2.0, 0.4),  # the upper bound
        (1.5, 2.0, 0.25),  # thought is no rhythm
    ],
)
def test_the_formula(gap_s: float | None, latency_s: float | None, wait_s: float) -> None:
    assert rhythm(gap_s, latency_s).wait_s(AUTO) == pytest.approx(wait_s)


def test_a_number_is_obeyed() -> None:
    assert rhythm(0.2, 1.0).wait_s(CompletionConfig(debounce_ms=70)) == 0.07
    assert rhythm(0.2, 1.0).wait_s(CompletionConfig(debounce_ms=0)) == 0.0


def test_bounds_that_cross_mean_the_upper() -> None:
    config = CompletionConfig(debounce_min_ms=300, debounce_max_ms=100)
    assert rhythm(0.2, 0.01).wait_s(config) == 0.1


def test_streams_that_are_always_aborted_count_as_slow() -> None:
    made = rhythm(0.1, None)
    for _ in range(5):
        made.unanswered(0.3)
    assert made.wait_s(AUTO) == pytest.approx(0.125)
    made.unanswered(0.001)  # aborted at once: says nothing
    assert made.latency_s == 0.3
    made.forget_backend()
    assert made.latency_s == Rhythm().latency_s


async def test_the_completer_takes_the_rhythm_from_changes() -> None:
    world = World("x = █\n", with_config(debounce_ms="auto"))
    for _ in range(6):
        world.now += 0.02
        world.type("a")
    task = world.ask()
    (await world.stream()).end()
    await task
    assert world.slept == [pytest.approx(0.025)]  # the first guess at the latency is slow here


@pytest.mark.parametrize(("editor_s", "wait_s"), [(0.0, 0.07), (0.05, 0.02), (0.1, 0.0)])
async def test_an_editors_own_delay_is_not_added(editor_s: float, wait_s: float) -> None:
    world = World("x = █\n", with_config(debounce_ms=70))
    world.type("a")
    world.now += editor_s
    task = world.ask()
    (await world.stream()).end()
    await task
    assert world.slept == [pytest.approx(wait_s)]


def test_a_second_request_for_the_same_text_waits_from_now() -> None:
    made = Rhythm()
    assert made.waits_from(("file:///x", 1), 3.0) == 3.0  # no key yet
    made.key(5.0)
    assert made.waits_from(("file:///x", 2), 6.0) == 5.0
    assert made.waits_from(("file:///x", 2), 7.0) == 7.0
    made.key(8.0)
    assert made.waits_from(("file:///x", 3), 8.1) == 8.0
