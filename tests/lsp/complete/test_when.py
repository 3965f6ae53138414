"""When automatic requests are skipped, and that explicit ones never are."""

from __future__ import annotations

import pytest

from midfill_lsp.trim import leaves_room
from tests.lsp.complete.world import World, cancel, settle, texts


@pytest.mark.parametrize(
    ("line", "skip"),
    [
        ("retur█n x", "midWord"),
        ("größ█e = 1", "midWord"),
        ("_█_init__", "midWord"),
        ("█return x", "beforeText"),
        ("x = █y", "beforeText"),
        ("x█(1)", "beforeText"),
        ("x█.y", "beforeText"),
        ('print(█"text")', "beforeText"),
        ('print("text"█"more")', "beforeText"),
        ("foo()█", "afterBracket"),
        ("foo()█\r", "afterBracket"),
        ("print(foo()█)", "afterBracket"),
        ("x = [1, 2]█", "afterBracket"),
        ("x = █", None),
        ("x = foo█", None),
        ("foo(█)", None),
        ("foo(a, █):", None),
        ("foo[█].bar()", None),
        ('print("te█")', None),
        ("print(f'{x}: █')", None),
        ("print(\"it's\", '█')", None),
        (r"print('it\'s', '█')", None),
        ("d[\"it's\"], d['█']", None),
        ("print(\"select '█' from\")", None),
        (r'print("say \"█")', None),
        ('    """█"""', None),
        ("# use '█'", None),
        ("\"don't\" █'b'", "beforeText"),
        ("if x█ == y:", None),
        ("foo() █", None),
        ("█", None),
        ("    █", None),
        ("List<█>", None),
    ],
)
async def test_places(line: str, skip: str | None) -> None:
    world = World(f"import os\n{line}\nprint()\n")
    task = world.ask()
    await settle()
    assert len(world.backend.streams) == (0 if skip else 1)
    if skip:
        assert await task == ()
        assert world.outcome == ("skipped", skip)
        explicit = world.ask(explicit=True)
        (await world.stream()).end()
        await explicit
    else:
        await cancel(task)
    await world.completer.aclose()


@pytest.mark.parametrize(
    ("language_id", "head", "quote"),
    [
        ("rust", "let c = '", "'"),
        ("rust", "f(b'", "'"),
        ("html", '<p>It\'s <a title="don\'t" href="', '"'),
        ("typescriptreact", '<p>It\'s <a title="don\'t" href="', '"'),
        ("markdown", "Don't say \"it's ", '"'),
    ],
)
def test_an_apostrophe_begins_no_string(language_id: str, head: str, quote: str) -> None:
    assert leaves_room(head, quote, language_id)


@pytest.mark.parametrize(
    ("language_id", "head", "quote"),
    [
        ("shellscript", "x=`basename ", "`"),
        ("shellscript", "x=$(foo `bar ", "`"),
        ("yaml", "  about: use `", "`"),
        ("python", "    See :class:`", "`"),
        ("rust", "/// a [`", "`"),
        ("javascript", "x = `a ", "`"),
        ("python", 'x = "C:\\', '"'),
        ("c", 'x = "C:\\', '"'),
    ],
)
def test_a_quote_that_ends_what_is_open_leaves_room(
    language_id: str, head: str, quote: str
) -> None:
    """A backtick did not where it is no quote; nor did one behind a backslash."""
    assert leaves_room(head, quote, language_id)


@pytest.mark.parametrize(
    ("language_id", "head", "quote"),
    [("shellscript", "x=`a` ", "`"), ("javascript", "x = ", "`"), ("python", 'x = "a" + ', '"')],
)
def test_a_quote_that_begins_something_leaves_none(language_id: str, head: str, quote: str) -> None:
    assert not leaves_room(head, quote, language_id)


async def test_a_selection() -> None:
    world = World("x = █\n")
    assert await world.ask(request=world.request(has_selection=True)) == ()
    assert world.outcome == ("skipped", "selection")
    task = world.ask(request=world.request(explicit=True, has_selection=True))
    (await world.stream()).end()
    await task


async def test_what_was_suggested_is_typed_through_anywhere() -> None:
    world = World("x = █\n")
    task = world.ask()
    stream = await world.stream()
    stream.push("foo(a) + b")
    stream.end()
    await task
    world.type("foo(a)")
    assert texts(await world.ask()) == [" + b"]


async def test_a_running_stream_is_typed_through_anywhere() -> None:
    world = World("x = █\n")
    await settle()
    task = world.ask()
    stream = await world.stream()
    stream.push("foo(a)")
    await settle()
    await cancel(task)
    world.type("foo(a)")
    task = world.ask()
    await settle()
    stream.push(" + b")
    stream.end()
    assert texts(await task) == [" + b"]


@pytest.mark.parametrize(
    ("edits", "is_undone"),
    [
        ([(0, "hello"), (5, "")], True),  # a word, and its undo
        ([(0, "h"), (0, "e"), (0, "llo"), (5, "")], True),  # keys, undone in one step
        ([(0, "hello"), (5, ""), (0, "hello")], True),  # redo
        ([(0, "\n    a = 1\n    b = 2"), (20, "")], True),  # an accepted block
        ([(0, "a\nb"), (3, "b\na"), (3, "a\nb")], True),
        ([(0, "h"), (1, "")], False),  # a corrected slip
        ([(0, "()"), (2, "")], False),
        ([(0, "h"), (1, ""), (0, "h")], False),
        ([(0, "hello"), (5, "jello")], False),
        ([(0, "hello"), (5, ""), (0, " w")], False),  # typing goes on behind it
        ([(0, "a\nb"), (3, "b\na")], False),  # the order of lines counts
    ],
)
async def test_an_undo(edits: list[tuple[int, str]], is_undone: bool) -> None:
    world = World("import os\nx = █\nprint()\n")
    for num_removed, text in edits:
        world.edit(num_removed, text)
    task = world.ask()
    await settle()
    if is_undone:
        assert await task == ()
        assert world.outcome == ("skipped", "undo")
        assert world.backend.streams == []
        task = world.ask(explicit=True)
    (await world.stream()).end()
    await task


async def test_an_undo_of_something_far_above() -> None:
    world = World("import os\n\n\n\nx = █\n")
    here = world.cursor
    world.cursor = 0
    world.type("import sys\n")
    world.edit(len("import sys\n"), "")
    world.cursor = here
    assert await world.ask() == ()
    assert world.outcome == ("skipped", "undo")
