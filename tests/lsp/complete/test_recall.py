"""What was written and not shown answers those who type on along it; nobody is asked again."""

from __future__ import annotations

import math

import pytest

from midfill_lsp.backend.base import Scores, StreamEnd
from tests.lsp.complete.world import HandStream, World, settle, texts, with_config

CODE = "def f(total, item):\n    total += █\n"


def push(stream: HandStream, *tokens: tuple[str, float]) -> None:
    """Let tokens come, each with its probability, and then the line's end."""
    for text, probability in tokens:
        stream.push(Scores(((len(text), math.log(probability)),)), text)
    stream.push(StreamEnd("stop"))


async def hidden(world: World, *tokens: tuple[str, float]) -> None:
    """A guess that is not shown."""
    task = world.ask()
    push(await world.stream(), *tokens)
    assert await task == ()
    assert world.outcome == ("empty", None)


async def test_a_guess_stays_hidden_while_one_types_along() -> None:
    world = World(CODE)
    await hidden(world, ("item", 0.4), (".price", 0.2), (".net", 0.2))
    for char in "item.pr":
        world.type(char)
        assert await world.ask() == ()
        last = world.completer.last
        assert last is not None
        assert (last.outcome, last.detail, last.joined) == ("empty", "unsure", True)
    assert len(world.backend.streams) == 1
    assert world.metrics.streams["recalled"] == 7


async def test_it_is_shown_where_the_rest_is_sure() -> None:
    world = World(CODE)
    await hidden(world, ("item", 0.2), (".", 0.4), ("price", 0.9))
    world.type("item.")
    assert texts(await world.ask()) == ["price"]
    world.type("pr")
    assert texts(await world.ask()) == ["ice"]
    assert world.outcome == ("cached", None)
    assert len(world.backend.streams) == 1


async def test_inside_a_token_that_decides_the_backend_is_asked() -> None:
    # How likely the rest of `item` is once `it` stands there is not known: at most certain.
    world = World(CODE)
    await hidden(world, ("item", 0.1), (".price", 0.4))
    world.type("it")
    task = world.ask()
    stream = await world.stream(2)
    push(stream, ("em", 0.9), (".price", 0.9))
    assert texts(await task) == ["em.price"]


async def test_another_text_is_asked_for() -> None:
    world = World(CODE)
    await hidden(world, ("item", 0.1))
    world.type("x")
    task = world.ask()
    (await world.stream(2)).end()
    assert await task == ()


async def test_an_explicit_request_always_asks() -> None:
    world = World(CODE)
    await hidden(world, ("item", 0.1), (".price", 0.1))
    world.type("i")
    task = world.ask(explicit=True)
    stream = await world.stream(2)
    stream.push("tem.price")
    stream.end()
    assert texts(await task) == ["tem.price"]


@pytest.mark.parametrize("end", [StreamEnd("limit"), StreamEnd("superseded")])
async def test_what_was_not_written_to_its_end_is_not_known(end: StreamEnd) -> None:
    world = World(CODE)
    task = world.ask()
    stream = await world.stream()
    stream.push(Scores(((4, math.log(0.1)),)), "item", end)
    assert await task == ()
    world.type("i")
    task = world.ask()
    (await world.stream(2)).end()
    await task


async def test_new_settings_forget_it() -> None:
    world = World(CODE)
    await hidden(world, ("item", 0.1), (".price", 0.1))
    world.config = with_config(min_confidence=0.05)
    world.completer.renew()
    world.type("i")
    task = world.ask()
    (await world.stream(2)).end()
    await task
    await settle()


async def test_what_others_repeat_is_judged_at_the_new_place() -> None:
    # The line above once more: nothing, however much of it is typed already.
    world = World("def f(total, item):\n    total += item.price\n    █\n")
    task = world.ask()
    push(await world.stream(), ("total", 0.9), (" += item", 0.9), (".price", 0.9))
    assert await task == ()
    world.type("total +=")
    assert await world.ask() == ()
    last = world.completer.last
    assert last is not None
    assert last.detail == "repeat"
    assert len(world.backend.streams) == 1
