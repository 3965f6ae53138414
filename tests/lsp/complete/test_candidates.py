"""Explicit requests get more than one suggestion, where the backend can sample."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from midfill_lsp.backend.base import Backend, InfillRequest, StreamEnd
from midfill_lsp.complete.candidates import sample
from midfill_lsp.complete.gather import Question
from midfill_lsp.errors import EngineGone, RequestSkipped
from midfill_lsp.prompt import build
from midfill_lsp.trim import describe
from tests.lsp.complete.world import (
    HandBackend,
    SamplingBackend,
    World,
    cancel,
    settle,
    texts,
    with_config,
)

CODE = "def add(first, second):\n    return █\n\nprint(add)\n"
EOS = StreamEnd("eos")


async def _ask(world: World, greedy: str = "first", explicit: bool = True) -> list[str]:
    task = world.ask(explicit=explicit)
    stream = await world.stream()
    if greedy:
        stream.push(greedy)
    stream.end()
    return texts(await task)


async def test_each_is_trimmed_and_duplicates_are_dropped() -> None:
    backend = SamplingBackend(
        (0, "first"), (1, "sec"), (0, "  \n"), (1, "ond\n    x"), (2, " "), (2, EOS)
    )
    world = World(CODE, with_config(candidates=4), backend=backend)
    assert await _ask(world) == ["first", "second"]
    assert backend.asked == [(3, 0.6)]
    assert backend.was_closed
    assert world.completer.last
    assert world.completer.last.candidates == 2


async def test_all_of_them_can_be_typed_through() -> None:
    world = World(
        CODE, backend=SamplingBackend((0, "first + 1"), (1, "second"), (0, EOS), (1, EOS))
    )
    assert await _ask(world) == ["first", "first + 1", "second"]
    world.completer.cache.check_integrity()
    assert texts(await world.ask()) == ["first"], "the best comes first again"
    world.type("sec")
    assert texts(await world.ask()) == ["ond"]
    world.type("ond")  # accepted, so that the next is asked for
    assert (await world.stream(2)).request.prefix.endswith("return second")


async def test_automatic_requests_get_one() -> None:
    backend = SamplingBackend((0, "second"), (0, EOS))
    world = World(CODE, backend=backend)
    assert await _ask(world, explicit=False) == ["first"]
    assert backend.asked == []


async def test_one_is_enough() -> None:
    backend = SamplingBackend((0, "second"), (0, EOS))
    world = World(CODE, with_config(candidates=1), backend=backend)
    assert await _ask(world) == ["first"]
    assert backend.asked == []


async def test_a_backend_that_cannot_sample_gives_one() -> None:
    assert await _ask(World(CODE)) == ["first"]


async def test_samples_count_where_the_greedy_one_is_empty() -> None:
    backend = SamplingBackend((0, "second"), (0, EOS), (1, "second"), (1, EOS))
    world = World(CODE, backend=backend)
    assert await _ask(world, greedy="") == ["second"]
    assert world.outcome == ("shown", None)


@pytest.mark.parametrize("failure", [EngineGone("gone"), None])
async def test_samples_that_fail_or_break_off_cost_nothing_else(failure: Exception | None) -> None:
    backend = SamplingBackend((0, "sec"), *([failure] if failure else []))
    assert await _ask(World(CODE, backend=backend)) == (["first"] if failure else ["first", "sec"])


async def test_garbage_indices_are_ignored() -> None:
    backend = SamplingBackend((7, "x"), (-1, "y"), (0, EOS), (0, "z"), (1, EOS))
    assert await _ask(World(CODE, backend=backend)) == ["first"]


async def test_a_cancel_closes_the_samples() -> None:
    backend = SamplingBackend((0, "second"))
    backend.gate = asyncio.Event()
    world = World(CODE, backend=backend)
    task = world.ask(explicit=True)
    stream = await world.stream()
    stream.push("first")
    stream.end()
    await settle()
    assert not task.done()
    await cancel(task)
    assert backend.was_closed


async def test_a_change_makes_them_stale() -> None:
    backend = SamplingBackend((0, "second"), (0, EOS), (1, EOS))
    backend.gate = asyncio.Event()
    world = World(CODE, backend=backend)
    task = world.ask(explicit=True)
    stream = await world.stream()
    stream.push("first")
    stream.end()
    await settle()
    world.type("f")
    backend.gate.set()
    assert await task == ()
    assert world.outcome == ("stale", None)


async def test_nothing_is_sampled_that_must_not_be_sent_any_more() -> None:
    def refuse() -> None:
        raise RequestSkipped("another backend")

    backend = SamplingBackend((0, "second"), (0, EOS), (1, EOS))
    ask = InfillRequest("x = ", "", "session", 8)
    question = Question(build(["x = "], 0, 4, 100, 100), describe("x = ", "", "python"), ask)

    @contextmanager
    def asking(_explicit: bool) -> Generator[Backend]:
        yield backend

    assert [result.text for result in await sample(asking, question, 2)] == ["second"]
    assert await sample(asking, replace(question, check=refuse), 2) == []
    assert len(backend.asked) == 1


async def test_a_sample_with_half_a_character_is_dropped() -> None:
    backend = SamplingBackend((0, "'日\ufffd'"), (0, EOS), (1, "second"), (1, EOS), (2, EOS))
    assert await _ask(World(CODE, with_config(candidates=4), backend=backend)) == [
        "first",
        "second",
    ]


async def test_to_find_no_way_to_sample_is_no_answer_of_the_backend() -> None:
    ends: list[str] = []

    @contextmanager
    def asking(_explicit: bool) -> Generator[Backend]:
        yield HandBackend()
        ends.append("answered")

    ask = InfillRequest("x = ", "", "session", 8)
    question = Question(build(["x = "], 0, 4, 100, 100), describe("x = ", "", "python"), ask)
    assert await sample(asking, question, 2) == []
    assert ends == []
