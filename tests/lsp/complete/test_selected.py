"""The pop-up menu's selected item: a suggestion goes on from it."""

from __future__ import annotations

from typing import Any

import pytest

from midfill_lsp.document import Position
from tests.fakes import FakeBackend
from tests.lsp.complete.world import GRACE_S, World, cancel, select, settle, texts
from tests.lsp.in_process import InProcess

CODE = "import os\nprint(os.pa█)\n"
ITEM = CODE.index("pa█")


async def test_the_suggestion_begins_with_it() -> None:
    world = World(CODE)
    task = world.ask(request=select(world, ITEM, "path"), grows=True)
    stream = await world.stream()
    assert stream.request.prefix.endswith("print(os.path")
    assert stream.request.suffix == ")\n"
    stream.push(".join(a, b)")
    stream.end()
    assert texts(await task) == ["path.join(a, b)"]
    assert world.partial
    assert all(text.startswith("path") for text in world.partial)


async def test_nothing_behind_it_is_nothing() -> None:
    world = World(CODE)
    task = world.ask(request=select(world, ITEM, "path"))
    (await world.stream()).end()
    assert await task == ()


async def test_typing_towards_the_item_joins_its_stream() -> None:
    world = World(CODE)
    task = world.ask(request=select(world, ITEM, "path"))
    stream = await world.stream()
    stream.push(".join")
    await settle()
    await cancel(task)
    world.type("t")
    await settle()
    assert stream.is_open
    task = world.ask(request=select(world, ITEM, "path"))
    await settle()
    stream.end()
    assert texts(await task) == ["path.join"]
    assert world.metrics.streams["joined"] == 1


async def test_another_item_asks_anew() -> None:
    world = World(CODE)
    task = world.ask(request=select(world, ITEM, "path"))
    stream = await world.stream()
    stream.push(".join")
    await settle()
    await cancel(task)
    task = world.ask(request=select(world, ITEM, "pathsep"))
    new = await world.stream(2)
    assert stream.was_aborted
    new.push(" + x")
    new.end()
    assert texts(await task) == ["pathsep + x"]
    await world.expire(GRACE_S)


async def test_the_accepted_item_is_followed_by_the_rest() -> None:
    world = World(CODE)
    task = world.ask(request=select(world, ITEM, "path"))
    stream = await world.stream()
    stream.push(".join")
    stream.end()
    await task
    world.edit(2, "path")
    assert texts(await world.ask()) == [".join"]


@pytest.mark.parametrize(("start", "end"), [((1, 0), (1, 3)), ((0, 0), (0, 6))])
def test_a_range_without_the_cursor(start: tuple[int, int], end: tuple[int, int]) -> None:
    assert World(CODE).request().with_selected(Position(*start), Position(*end), "path") is None


async def test_the_item_on_the_wire() -> None:
    editor = InProcess(FakeBackend(deltas=[".join(a, b)"]))
    await editor.initialize()
    editor.open("file:///a.py", 'é = "😀"; print(os.pa)\n')
    asked: dict[str, Any] = {
        "textDocument": {"uri": "file:///a.py"},
        "position": {"line": 0, "character": 21},
        "context": {
            "triggerKind": 2,
            "selectedCompletionInfo": {"range": _range(19, 21), "text": "path"},
        },
    }
    for method in ("textDocument/inlineCompletion", "midfill/completion"):
        (item,) = (await editor.request(method, asked))["items"]
        assert item["insertText"] == "path.join(a, b)"
        assert item["range"] == _range(19, 21)
    asked["context"]["selectedCompletionInfo"]["range"] = _range(0, 1)
    assert (await editor.request("midfill/completion", asked))["items"] == []
    explanation = await editor.command("midfill.explain")
    assert explanation["detail"] == "selectedCompletionInfo.range does not hold the cursor"
    await editor.shut_down()


async def test_a_selection_on_the_wire() -> None:
    editor = InProcess(FakeBackend(deltas=["x"]))
    await editor.initialize()
    editor.open("file:///a.py", "a = \n")
    asked: dict[str, Any] = {
        "textDocument": {"uri": "file:///a.py"},
        "position": {"line": 0, "character": 4},
        "context": {"triggerKind": 2},
        "selection": _range(0, 4),
    }
    assert (await editor.request("midfill/completion", asked))["items"] == []
    assert (await editor.command("midfill.explain"))["skip"] == "selection"
    asked["selection"] = _range(4, 4)
    assert (await editor.request("midfill/completion", asked))["items"]
    error = await editor.error("midfill/completion", asked | {"selection": 4})
    assert error["code"] == -32602
    await editor.shut_down()


def _range(start: int, end: int) -> dict[str, object]:
    return {"start": {"line": 0, "character": start}, "end": {"line": 0, "character": end}}
