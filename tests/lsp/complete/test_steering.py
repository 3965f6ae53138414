"""In-flight steering: a cancelled stream lives on while the typing agrees with it."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest

from midfill_lsp.backend.base import Scores, StreamEnd
from midfill_lsp.errors import EngineGone
from tests.lsp.complete.world import (
    BLOCK_WAIT_S,
    GRACE_S,
    URI,
    World,
    cancel,
    settle,
    texts,
    with_config,
)

CODE = "def add(first, second):\n    return █\n\nprint(add)\n"
BLOCK = "def add(first, second):\n    █\n\nprint(add)\n"


async def _begun(world: World, *parts: str) -> None:
    """A request, some text, and the cancel that the next key brings."""
    task = world.ask()
    stream = await world.stream()
    stream.push(*parts)
    await settle()
    await cancel(task)
    assert stream.is_open


@pytest.mark.parametrize("typed", ["f", "fi", "first", "first + se"])
async def test_a_key_that_agrees_joins_the_stream(typed: str) -> None:
    world = World(CODE)
    await _begun(world, "fi")
    world.type(typed)
    task = world.ask(grows=True)
    await settle()
    if typed == "f":
        assert world.partial == ["i"], "what is there already is shown at once"
    stream = await world.stream(1)
    stream.push("rst", " + second")
    stream.end()
    whole = "first + second"
    assert texts(await task) == [whole[len(typed) :]]
    assert world.partial[-1] == whole[len(typed) :]
    assert all(late.startswith(early) for early, late in pairwise(world.partial))
    assert world.metrics.streams == {"begun": 1, "joined": 1, "finished": 1}
    assert world.completer.last
    assert world.completer.last.joined


async def test_a_join_does_not_wait_for_the_debounce() -> None:
    world = World(CODE)
    await _begun(world, "first")
    world.held.add(0.041)
    world.type("f")
    task = world.ask()
    (await world.stream()).end()
    assert texts(await task) == ["irst"]


async def test_a_request_that_disagrees_aborts_and_sends_the_draft() -> None:
    world = World(CODE)
    await _begun(world, "first + sec")
    world.type("s")
    old = world.backend.streams[0]
    await settle()
    assert old.was_aborted, "the change alone aborts"
    task = world.ask()
    new = await world.stream(2)
    assert new.request.draft == "first + sec"
    new.push("econd")
    new.end()
    assert texts(await task) == ["econd"]
    assert world.metrics.streams == {"begun": 2, "aborted_disagreed": 1, "finished": 1}


async def test_a_cursor_elsewhere_disagrees() -> None:
    world = World(CODE)
    await _begun(world, "first")
    world.cursor = len("def add(first, second):\n    return \n")
    task = world.ask()
    new = await world.stream(2)
    assert world.backend.streams[0].was_aborted
    new.end()
    await task


async def test_nobody_comes_in_the_grace_period() -> None:
    world = World(CODE)
    await _begun(world, "fi")
    await world.expire(GRACE_S)
    assert world.backend.streams[0].was_aborted
    assert world.metrics.streams == {"begun": 1, "aborted_unwanted": 1}


async def test_a_join_ends_the_grace_period() -> None:
    world = World(CODE)
    await _begun(world, "fi")
    world.type("f")
    task = world.ask()
    await settle()
    await world.expire(GRACE_S)
    stream = await world.stream()
    stream.push("rst")
    stream.end()
    assert texts(await task) == ["irst"]


async def test_a_key_that_agrees_begins_the_grace_period_anew() -> None:
    world = World(CODE)
    await _begun(world, "first")
    (first,) = world.waits[GRACE_S]
    world.type("f")
    await settle()
    first.set()
    await settle()
    assert world.backend.streams[0].is_open
    await world.expire(GRACE_S)
    assert world.backend.streams[0].was_aborted


async def test_a_request_that_nobody_cancelled_is_answered_by_the_next_key() -> None:
    world = World(CODE)
    old = world.ask()
    stream = await world.stream()
    stream.push("fi")
    await settle()
    world.type("f")
    assert await old == ()
    assert world.outcome == ("stale", None)
    assert stream.is_open
    await world.expire(GRACE_S)
    assert stream.was_aborted, "nobody waits for it any more"


async def test_line_ends_and_columns_of_the_document() -> None:
    world = World("# 😀\r\ndef f():\r\n    █\r\n")
    task = world.ask()
    stream = await world.stream()
    stream.push("x = 1\n")
    await settle()
    await cancel(task)
    world.type("x = 1\r\n    ")
    task = world.ask()
    await settle()
    stream.push("    y = 2\n    z = 3\n")
    stream.end()
    assert texts(await task) == ["y = 2\r\n    z = 3"]
    assert world.metrics.streams["joined"] == 1


async def test_an_orphan_that_finishes_is_kept_and_not_shown() -> None:
    world = World(CODE)
    await _begun(world, "first")
    world.type("f")
    world.backend.streams[0].end()
    await settle()
    assert len(world.completer.cache) == 1
    assert texts(await world.ask()) == ["irst"]
    assert world.outcome == ("cached", None)


async def test_what_the_stream_does_not_come_to_is_asked_anew_at_once() -> None:
    world = World(CODE)
    await _begun(world)
    world.type("fo")
    task = world.ask()
    stream = await world.stream()
    stream.push("f")  # "fo" may still come
    await settle()
    assert stream.is_open
    stream.push("irst")
    new = await world.stream(2)
    assert stream.was_aborted, "nobody waits for its end"
    assert new.request.draft == "first"
    new.push("o")
    new.end()
    assert texts(await task) == ["o"]
    assert world.completer.last
    assert not world.completer.last.joined


async def test_a_stream_that_ends_too_early_is_asked_anew() -> None:
    world = World(CODE)
    await _begun(world)
    world.type("first")
    task = world.ask()
    stream = await world.stream()
    stream.push("fir")
    stream.end()
    new = await world.stream(2)
    new.push(" + second")
    new.end()
    assert texts(await task) == [" + second"]


async def test_a_bracket_that_the_editor_closes_agrees() -> None:
    world = World(CODE)
    await _begun(world, "first(a")
    world.type("first(")
    end = world.cursor
    world.type(")")
    world.cursor = end
    task = world.ask(grows=True)
    stream = await world.stream()
    stream.push(", b)")
    stream.end()
    (suggestion,) = await task
    assert (suggestion.text, suggestion.replaces_rest) == ("a, b)", True)
    assert all(late.startswith(early) for early, late in pairwise(world.partial))


async def test_closing_the_document_aborts_and_answers() -> None:
    world = World(CODE)
    task = world.ask()
    stream = await world.stream()
    world.completer.closed(URI)
    assert await task == ()
    await settle()
    assert stream.was_aborted
    assert world.metrics.streams == {"begun": 1, "aborted_closed": 1}


async def test_the_same_place_is_not_asked_twice_for_nothing() -> None:
    world = World(CODE)
    task = world.ask()
    (await world.stream()).end()
    assert await task == ()
    assert await world.ask() == ()
    assert world.outcome == ("empty", None)
    task = world.ask(explicit=True)
    (await world.stream(2)).end()
    await task


async def test_an_explicit_request_is_asked_where_an_automatic_one_gets_nothing() -> None:
    world = World(CODE)
    await _begun(world)
    task = world.ask(explicit=True)
    first = await world.stream()
    assert first.request.scored, "what was guessed is not shown"
    first.push(Scores(((5, -9.0),)), "first")
    first.end()
    second = await world.stream(2)
    assert not second.request.scored
    second.push("first")
    second.end()
    assert texts(await task) == ["first"]


async def test_a_draft_has_its_bound() -> None:
    world = World(CODE, with_config(max_line_tokens=1024))
    await _begun(world, "".join(random.Random(1).choices("abcdefgh", k=17_000)))
    world.type("x")
    task = world.ask()
    second = await world.stream(2)
    assert len(second.request.draft) == 16_384
    second.end()
    await task


async def test_new_settings_let_nobody_join_and_nothing_be_kept() -> None:
    world = World(CODE)
    task = world.ask()
    stream = await world.stream()
    stream.push("fir")
    world.completer.renew()
    stream.push("st")
    stream.end()
    assert texts(await task) == ["first"], "who waits is still answered"
    assert len(world.completer.cache) == 0
    task = world.ask()
    (await world.stream(2)).end()
    await task


async def test_one_stream_per_document_at_any_time() -> None:
    world = World(CODE)
    await _begun(world, "fi")
    world.type("x")
    task = world.ask()
    await settle()
    assert len(world.backend.open_streams) == 1
    world.backend.streams[-1].end()
    await task


async def test_the_old_stream_is_closed_before_the_new_one_begins() -> None:
    world = World(CODE)
    await _begun(world, "fi")
    old = world.backend.streams[0]
    old.closing = asyncio.Event()
    world.type("x")
    task = world.ask()
    await settle()
    assert world.backend.streams == [old]
    old.closing.set()
    (await world.stream(2)).end()
    assert await task == ()


@pytest.mark.parametrize("grows", [True, False])
async def test_what_is_shown_is_not_taken_back(grows: bool) -> None:
    # A reply alone leaves it out: with it the file no longer parses.
    world = World(CODE)
    task = world.ask(grows=grows)
    stream = await world.stream()
    stream.push("first second")
    await settle()
    stream.end()
    suggestions = texts(await task)
    assert suggestions == (["first second"] if grows else [])
    assert world.partial == suggestions


async def test_what_was_answered_early_is_not_taken_back() -> None:
    world = World(BLOCK)
    task = world.ask()
    stream = await world.stream()
    stream.push("total = (first\n    ret")
    await settle()
    await world.expire(BLOCK_WAIT_S)
    (early,) = texts(await task)
    stream.push("urn total")
    stream.end()
    await settle()
    (late,) = texts(await world.ask())
    assert late.startswith(early)


async def test_a_failure_is_told_to_whoever_joined() -> None:
    world = World(CODE)
    await _begun(world, "fi")
    world.type("f")
    task = world.ask()
    await settle()
    world.backend.streams[0].push(EngineGone("gone"))
    with pytest.raises(EngineGone):
        await task
    task = world.ask()
    (await world.stream(2)).end()
    assert await task == ()


async def test_a_backends_bug_ends_the_request_only() -> None:
    world = World(CODE)
    task = world.ask()
    (await world.stream()).push(RuntimeError("a bug"))
    with pytest.raises(RuntimeError):
        await task
    task = world.ask()
    stream = await world.stream(2)
    stream.push("first")
    stream.end()
    assert texts(await task) == ["first"]


async def test_a_superseded_stream_gives_nothing() -> None:
    world = World(CODE)
    task = world.ask()
    (await world.stream()).push("fir", StreamEnd("superseded"))
    assert await task == ()
    assert world.outcome == ("superseded", None)
    assert len(world.completer.cache) == 0


async def test_a_slow_block_is_answered_with_its_first_lines() -> None:
    world = World(BLOCK)
    task = world.ask()
    stream = await world.stream()
    stream.push("total = first")
    await world.expire(BLOCK_WAIT_S)
    assert not task.done(), "the first line is not whole yet"
    stream.push("\n    ret")
    await settle()
    await world.expire(BLOCK_WAIT_S)
    assert texts(await task) == ["total = first"]
    world.type("total")
    assert stream.is_open, "it goes on into the cache"
    await world.expire(GRACE_S)
    assert stream.is_open
    stream.push("urn total")
    stream.end()
    await settle()
    assert texts(await world.ask()) == [" = first\n    return total"]
    assert world.outcome == ("cached", None)


async def test_a_fast_block_is_answered_whole() -> None:
    world = World(BLOCK)
    task = world.ask()
    stream = await world.stream()
    stream.push("total = first\n    return total")
    stream.end()
    assert texts(await task) == ["total = first\n    return total"]


async def test_text_that_grows_is_not_cut_off_early() -> None:
    world = World(BLOCK)
    task = world.ask(grows=True)
    stream = await world.stream()
    stream.push("total = first\n    ret")
    await settle()
    assert not world.waits[BLOCK_WAIT_S]
    stream.push("urn total")
    stream.end()
    assert texts(await task) == ["total = first\n    return total"]


async def test_no_grace_at_all() -> None:
    world = World(CODE, with_config(grace_ms=0))
    task = world.ask()
    stream = await world.stream()
    await cancel(task)
    await settle()
    assert stream.was_aborted


async def test_the_end_closes_everything() -> None:
    world = World(CODE)
    await _begun(world, "fi")
    await world.completer.aclose()
    assert world.backend.streams[0].was_aborted
    assert len(asyncio.all_tasks()) == 1
