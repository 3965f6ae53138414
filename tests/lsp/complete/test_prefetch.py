"""After an accept, the next completion has already been asked for."""

from __future__ import annotations

import pytest

from midfill_lsp.backend.base import StreamEnd
from tests.lsp.complete.world import GRACE_S, URI, World, settle, texts, with_config

CODE = "def add(first, second):\n    return █\n\nprint(add)\n"


async def _offered(world: World, *parts: str, is_whole: bool = False) -> None:
    """A suggestion that the editor shows; `is_whole`: the model had no more for the line."""
    num_streams = len(world.backend.streams)
    task = world.ask()
    stream = await world.stream(num_streams + 1)
    stream.push(*parts, StreamEnd("stop" if is_whole else "limit"))
    assert await task


async def test_the_next_request_joins_what_was_prefetched() -> None:
    world = World(CODE)
    await _offered(world, "first + second")
    world.type("first + second")
    stream = await world.stream(2)
    assert stream.request.prefix.endswith("return first + second")
    stream.push(" + 1")
    task = world.ask(grows=True)
    await settle()
    assert world.partial == [" + 1"]
    stream.end()
    assert texts(await task) == [" + 1"]
    assert world.metrics.streams["prefetched"] == 1
    assert world.metrics.streams["joined"] == 1


async def test_or_finds_it_in_the_cache() -> None:
    world = World(CODE)
    await _offered(world, "first + second")
    world.type("first + second")
    stream = await world.stream(2)
    stream.push(" + 1")
    stream.end()
    await settle()
    assert texts(await world.ask()) == [" + 1"]
    assert world.outcome == ("cached", None)


async def test_nothing_to_say_is_remembered_too() -> None:
    world = World(CODE)
    await _offered(world, "first + second")
    world.type("first + second")
    (await world.stream(2)).end()
    await settle()
    assert await world.ask() == ()
    assert len(world.backend.streams) == 2


async def test_typing_to_the_end_counts_as_accepting() -> None:
    world = World(CODE)
    await _offered(world, "first")
    for char in "first":
        assert len(world.backend.streams) == 1
        world.type(char)
    assert (await world.stream(2)).request.prefix.endswith("return first")


async def test_a_block_with_the_rest_of_the_line() -> None:
    world = World("print(█)\r\nx\r\n")
    await _offered(world, "a, b) + c")
    line_end = world.snapshot.lines[0].index("\r")
    world.cursor = line_end
    world.edit(1, "a, b) + c")
    stream = await world.stream(2)
    assert stream.request.prefix == "print(a, b) + c"
    assert stream.request.suffix == "\nx\n"


async def test_several_lines() -> None:
    world = World("def f():\n    █\n")
    await _offered(world, "x = 1\n    y = 2\n    ")
    world.type("x = 1\n    y = 2")
    assert (await world.stream(2)).request.prefix == "def f():\n    x = 1\n    y = 2\n    "


async def test_it_is_aborted_when_nobody_comes() -> None:
    world = World(CODE)
    await _offered(world, "first")
    world.type("first")
    stream = await world.stream(2)
    await world.expire(GRACE_S)
    assert stream.was_aborted


async def test_one_does_not_lead_to_another() -> None:
    world = World(CODE)
    await _offered(world, "first")
    world.type("first")
    stream = await world.stream(2)
    stream.push(" + second")
    stream.end()
    await settle()
    assert len(world.backend.streams) == 2


async def test_typing_goes_on_before_it_was_begun() -> None:
    world = World(CODE)
    await _offered(world, "first")
    world.type("first")
    world.type("!")
    await settle()
    assert len(world.backend.streams) == 1


async def test_closing_forgets_the_offer() -> None:
    world = World(CODE)
    await _offered(world, "first")
    world.completer.closed(URI)
    world.type("first")
    await settle()
    assert len(world.backend.streams) == 1


@pytest.mark.parametrize("changes", [{"prefetch": False}, {"enabled": False}])
async def test_not_where_it_is_switched_off(changes: dict[str, object]) -> None:
    world = World(CODE)
    await _offered(world, "first")
    world.config = with_config(**changes)
    world.type("first")
    await settle()
    assert len(world.backend.streams) == 1


async def test_not_where_automatic_requests_are_skipped() -> None:
    world = World("x = f(█, 2)\n")
    await _offered(world, "add(first)")
    world.type("add(first)")
    await settle()
    assert len(world.backend.streams) == 1


async def test_behind_a_whole_line_the_next_one_is_asked_for() -> None:
    world = World(CODE)
    await _offered(world, "first + second", is_whole=True)
    world.type("first + second")
    stream = await world.stream(2)
    assert stream.request.prefix.endswith("return first + second\n    ")
    assert stream.request.suffix.startswith("\n\nprint")
    assert await world.ask() == (), "the line is over, and nobody has to be asked"
    assert world.outcome == ("empty", None)
    stream.push("print(1)", "\n")
    assert await world.ask() == (), "what is for the next line is not shown on this one"
    stream.end()
    await settle()
    world.type("\n    ")
    assert texts(await world.ask()) == ["print(1)"]
    assert world.outcome == ("cached", None)
    assert len(world.backend.streams) == 2
    assert world.metrics.streams["prefetched"] == 1


async def test_the_next_line_is_joined_while_it_is_written() -> None:
    world = World("if a:\n    b = █\n")
    await _offered(world, "c", is_whole=True)
    world.type("c")
    stream = await world.stream(2)
    assert stream.request.prefix.endswith("b = c\n    ")
    stream.push("d = e")
    await settle()
    world.type("\n    ")
    task = world.ask(grows=True)
    await settle()
    assert world.partial == ["d = e"]
    stream.end()
    assert texts(await task) == ["d = e"]


async def test_behind_a_colon_the_block_is_asked_for_at_the_cursor() -> None:
    world = World("if a:\n    pass\nif █\n")
    await _offered(world, "b:", is_whole=True)
    world.type("b:")
    assert (await world.stream(2)).request.prefix.endswith("\nif b:")


@pytest.mark.parametrize("typed", ["\n  ", "\n", " and"])
async def test_who_goes_on_otherwise_asks_anew(typed: str) -> None:
    world = World(CODE)
    await _offered(world, "first", is_whole=True)
    world.type("first")
    ahead = await world.stream(2)
    world.type(typed)
    task = world.ask()
    stream = await world.stream(3)
    assert ahead.was_aborted
    assert stream.request.prefix.endswith(f"return first{typed}")
    stream.end()
    assert await task == ()


async def test_a_skipped_place_looks_to_the_next_line() -> None:
    world = World("def f(first):\n    █\n")
    await _offered(world, "add(first)", is_whole=True)
    world.type("add(first)")
    assert (await world.stream(2)).request.prefix.endswith("add(first)\n    ")


async def test_no_line_is_cut_in_two() -> None:
    world = World("x = f(█, 2)\n")
    await _offered(world, "first", is_whole=True)
    world.type("first")
    await settle()
    assert len(world.backend.streams) == 1
