"""What the model was unsure of, or what would not parse: not shown unasked, and told why."""

from __future__ import annotations

import math

from midfill_lsp.backend.base import Scores
from tests.lsp.complete.world import World, settle, texts, with_config

CODE = "def f(a):\n    return █\n"
UNSURE = Scores(((5, math.log(0.25)),))


async def test_a_guess_is_shown_only_where_it_is_asked_for() -> None:
    world = World(CODE)
    task = world.ask()
    stream = await world.stream()
    assert stream.request.scored
    stream.push(UNSURE, "a + b")
    stream.end()
    assert await task == ()
    last = world.completer.last
    assert last is not None
    assert (last.outcome, last.cut_by, last.confidence) == ("empty", "unsure", 0.25)

    explicit = world.ask(explicit=True)
    stream = await world.stream(2)
    assert not stream.request.scored
    stream.push("a + b")
    stream.end()
    assert texts(await explicit) == ["a + b"]
    await world.completer.aclose()


async def test_the_bound_is_a_setting() -> None:
    for bound, shown in ((0.2, ["a + b"]), (0.3, [])):
        world = World(CODE, with_config(min_confidence=bound))
        task = world.ask(grows=True)
        stream = await world.stream()
        stream.push(UNSURE, "a + b", "\n")
        stream.end()
        assert texts(await task) == shown
        assert (world.partial != []) == bool(shown)
        await world.completer.aclose()
    world = World(CODE, with_config(min_confidence=0.0))
    task = world.ask()
    stream = await world.stream()
    assert not stream.request.scored
    stream.push("a + b")
    stream.end()
    assert texts(await task) == ["a + b"]
    await world.completer.aclose()


async def test_what_would_not_parse_is_told_as_that() -> None:
    world = World(CODE)
    task = world.ask()
    stream = await world.stream()
    stream.push("return return a\n")
    assert await task == ()
    assert world.completer.last is not None
    assert world.completer.last.cut_by == "syntax"
    await world.completer.aclose()


async def test_what_begins_hopelessly_is_not_written_to_its_end() -> None:
    world = World(CODE)
    task = world.ask(grows=True)
    stream = await world.stream()
    stream.push(Scores(((1, math.log(0.3)),)), "a")
    await settle()
    assert not task.done()
    stream.push(Scores(((2, math.log(0.2)),)), " +")
    assert await task == ()
    assert stream.was_aborted
    assert world.completer.last is not None
    assert world.completer.last.cut_by == "unsure"
    await world.completer.aclose()


async def test_what_is_on_the_screen_is_not_given_up_in_the_middle_of_a_line() -> None:
    world = World(CODE)
    task = world.ask(grows=True)
    stream = await world.stream()
    stream.push(Scores(((1, math.log(0.9)),)), "a")
    await settle()
    assert world.partial == ["a"]
    stream.push(Scores(((2, math.log(0.05)),)), " +")
    for text in (" b", " +", " c"):
        stream.push(Scores(((2, math.log(0.9)),)), text)
    stream.end()
    assert texts(await task) == ["a + b + c"]
    await world.completer.aclose()
