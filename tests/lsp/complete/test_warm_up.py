"""The engine reads the prompt of a place where the cursor rests."""

from __future__ import annotations

import asyncio

import pytest

from midfill_lsp.backend.base import InfillRequest, StreamEnd
from midfill_lsp.complete.warm_up import REST_S
from midfill_lsp.errors import EngineGone, RequestSkipped
from tests.lsp.complete.world import (
    URI,
    HandBackend,
    WarmingBackend,
    World,
    settle,
    with_config,
)

CODE = "def add(first, second):\n    return first\n\n\nprint(add(1, 2))\n\n█last\n"


def _world(**changes: object) -> tuple[World, WarmingBackend]:
    backend = WarmingBackend()
    return World(CODE, with_config(**changes), backend=backend), backend


async def _asked_at(world: World) -> InfillRequest:
    """What a request at the cursor asks."""
    num_streams = len(world.backend.streams)
    task = world.ask()
    stream = await world.stream(num_streams + 1)
    stream.push(StreamEnd("eos"))
    await task
    return stream.request


async def test_what_is_read_is_what_the_next_key_asks() -> None:
    world, backend = _world()
    world.move("\n\n\nprint")
    await settle()
    (read,) = backend.read
    assert (read.prefix, read.suffix[:6]) == (CODE[: CODE.index("\n\n\nprint")], "\n\n\npri")
    world.type(" ")
    asked = await _asked_at(world)
    assert (asked.prefix, asked.suffix) == (read.prefix + " ", read.suffix)
    assert (asked.session, read.session) == (f"window/{URI}/typing", f"window/{URI}/ahead")
    assert world.metrics.streams["warmed_up"] == 1


async def test_looking_elsewhere_leaves_the_place_of_typing_as_it_is() -> None:
    # Its suffix was frozen for the other place, and its cache taken: the way back was cold.
    world, backend = _world()
    world.cursor = CODE.index("add(1, 2)")
    world.type("f(")
    world.type(")")
    world.cursor -= 1
    suffix = (await _asked_at(world)).suffix
    place = world.cursor
    world.move("\n\nlast")
    await settle()
    assert len(backend.read) == 1
    world.cursor = place
    world.type("a")
    assert (await _asked_at(world)).suffix == suffix


async def test_a_request_ends_what_is_read() -> None:
    world, backend = _world()
    backend.reading = asyncio.Event()
    world.move("\n\n\nprint")
    await settle()
    await _asked_at(world)
    assert backend.was_cancelled


async def test_a_line_begun_below_has_the_same_suffix() -> None:
    world, backend = _world()
    world.move("\n\nlast")
    await settle()
    world.type("\n")
    asked = await _asked_at(world)
    assert (asked.prefix, asked.suffix) == (backend.read[0].prefix + "\n", backend.read[0].suffix)


async def test_a_cursor_on_its_way_is_waited_for() -> None:
    world, backend = _world()
    world.held.add(REST_S)
    world.move("return")
    await settle()
    world.move("\n\n\nprint")
    await settle()
    assert backend.read == []
    await world.expire(REST_S)
    assert [request.suffix[:6] for request in backend.read] == ["\n\n\npri"]


async def test_the_next_place_ends_what_is_read_for_the_last() -> None:
    world, backend = _world()
    backend.reading = asyncio.Event()
    world.move("\n\n\nprint")
    await settle()
    world.move("\n\nlast")
    await settle()
    assert len(backend.read) == 2
    await world.completer.aclose()


@pytest.mark.parametrize("place", ["eturn first", "first\n", "print(add"])
async def test_where_nothing_would_be_suggested_nothing_is_read(place: str) -> None:
    world, backend = _world()
    world.move(place)
    await settle()
    assert backend.read == []


async def test_what_was_typed_meanwhile_asks_by_itself() -> None:
    world, backend = _world()
    world.held.add(REST_S)
    world.move("\n\n\nprint")
    await settle()
    world.type(" ")
    await world.expire(REST_S)
    assert backend.read == []


async def test_a_stream_that_runs_is_left_alone() -> None:
    # Two at once would share the engine's steps.
    world, backend = _world()
    world.move("\n\n\nprint")
    await settle()
    task = world.ask()
    stream = await world.stream()
    stream.push(" # a comment")
    world.move("\n\nlast")
    await settle()
    assert (len(backend.read), stream.is_open) == (1, True)
    stream.end()
    await task


async def test_it_rests_three_times_as_long_as_it_took() -> None:
    world, backend = _world()
    backend.reading = asyncio.Event()
    world.move("\n\n\nprint")
    await settle()
    world.now += 2.0
    backend.reading.set()
    await settle()
    world.now += 1.0
    world.move("\n\nlast")
    await settle()
    assert world.slept[-1] == 5.0


@pytest.mark.parametrize("error", [EngineGone("gone"), RequestSkipped("a server that waits")])
async def test_a_failure_is_left_to_the_next_request(error: Exception) -> None:
    world, backend = _world()
    backend.error = error
    world.move("\n\n\nprint")
    await settle()
    backend.error = None
    world.move("\n\nlast")
    await settle()
    assert len(backend.read) == 2


@pytest.mark.parametrize(
    "changes", [{"warm_up": False}, {"enabled": False}, {"disabled_languages": ("python",)}]
)
async def test_switched_off(changes: dict[str, object]) -> None:
    world, backend = _world(**changes)
    world.move("\n\n\nprint")
    await settle()
    assert backend.read == []


async def test_a_backend_that_cannot_is_asked_nothing() -> None:
    world = World(CODE, backend=HandBackend())
    world.move("\n\n\nprint")
    await settle()
    assert world.backend.streams == []
    assert world.slept == []
