"""A document whose change could not be read gets no suggestions until it comes whole again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.fakes import FakeBackend
from tests.lsp.in_process import InProcess

URI, OTHER = "file:///src/add%20up.py", "file:///other.py"
CODE = "def add(a, b):\n    return \n"


def change(uri: object, *changes: object) -> dict[str, Any]:
    return {"textDocument": {"uri": uri, "version": 2}, "contentChanges": list(changes)}


def at(line: object, character: object) -> dict[str, Any]:
    return {"line": line, "character": character}


@pytest_asyncio.fixture
async def editor() -> AsyncIterator[InProcess]:
    editor = InProcess(FakeBackend(deltas=["a + b"]))
    await editor.initialize()
    editor.open(URI, CODE)
    editor.open(OTHER, CODE)
    yield editor
    await editor.shut_down()


async def suggests(editor: InProcess, uri: str) -> bool:
    return bool(await editor.complete(uri, 1, 11))


def messages(editor: InProcess) -> list[str]:
    told = [item for item in editor.received if item.get("method") == "window/showMessage"]
    return [item["params"]["message"] for item in told]


MALFORMED: list[object] = [
    change(URI, {"range": {"start": at(1, 0), "end": at(1, -1)}, "text": "x"}),
    change(URI, {"range": {"start": at("one", 0), "end": at(1, 1)}, "text": "x"}),
    change(URI, {"range": {"start": at(1, 0)}, "text": "x"}),
    change(URI, {"range": {"start": at(1, 0), "end": at(1, 1)}}),
    change(URI, {"text": "x"}, None),
    change(URI, {"range": {"start": at(2**31, 0), "end": at(2**31, 0)}, "text": "x"}),
    {"textDocument": {"uri": URI}, "contentChanges": [{"text": "x"}]},
    {"textDocument": {"uri": URI, "version": 2}, "contentChanges": None},
]


@pytest.mark.parametrize("params", MALFORMED)
async def test_a_malformed_change_loses_its_document_only(
    editor: InProcess, params: object
) -> None:
    editor.notify("textDocument/didChange", params)
    assert not await suggests(editor, URI)
    explanation = await editor.command("midfill.explain")
    assert explanation["outcome"] == "skipped"
    assert "until it is closed and opened again" in explanation["detail"]
    assert await suggests(editor, OTHER)
    editor.notify("textDocument/didChange", params)
    (told,) = messages(editor)
    assert "add up.py" in told


@pytest.mark.parametrize(
    "params", [None, [], {}, {"textDocument": None}, {"textDocument": {"uri": [URI]}}], ids=str
)
async def test_a_change_of_who_knows_what_loses_every_document(
    editor: InProcess, params: object
) -> None:
    editor.notify("textDocument/didChange", params)
    assert not await suggests(editor, URI)
    assert not await suggests(editor, OTHER)
    assert len(messages(editor)) == 2


@pytest.mark.parametrize("body", [b"{", b'{"method": "textDocument/didChange"}', b'"\xff"'])
async def test_what_is_no_message_may_have_been_a_change(editor: InProcess, body: bytes) -> None:
    editor.send_body(body)
    assert not await suggests(editor, URI)
    editor.open(URI, CODE)
    assert await suggests(editor, URI)


async def test_other_malformed_notifications_lose_nothing(editor: InProcess) -> None:
    editor.notify("textDocument/didClose", {"textDocument": 1})
    editor.notify("workspace/didChangeConfiguration", 3)
    editor.notify("midfill/unknown", None)
    assert await suggests(editor, URI)
    assert messages(editor) == []


async def test_edits_do_not_find_it_again_but_the_whole_text_does(editor: InProcess) -> None:
    editor.notify("textDocument/didChange", MALFORMED[0])
    nothing = {"range": {"start": at(0, 0), "end": at(0, 0)}, "text": ""}
    editor.change(URI, 3, nothing)
    assert not await suggests(editor, URI)
    space = {"range": {"start": at(1, 10), "end": at(1, 10)}, "text": " "}
    editor.change(URI, 4, nothing, {"text": "def f():\n    return\n"}, space)
    assert await suggests(editor, URI)
    assert editor.window.documents[URI].text == "def f():\n    return \n"
    assert editor.window.documents[URI].version == 4


@pytest.mark.parametrize("close", [True, False])
async def test_opening_finds_it_again(editor: InProcess, close: bool) -> None:
    editor.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": 3}})
    assert not await suggests(editor, URI)
    if close:
        editor.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        assert not await suggests(editor, URI)
        assert (await editor.command("midfill.explain"))["detail"] == "it is not open"
    editor.open(URI, CODE)
    assert await suggests(editor, URI)


async def test_a_reply_under_way_is_not_shown_any_more(editor: InProcess) -> None:
    snapshot = editor.window.documents[URI]
    editor.notify("textDocument/didChange", MALFORMED[0])
    assert editor.window.documents.get(URI) is not snapshot


async def test_a_document_that_was_never_opened(editor: InProcess) -> None:
    assert not await suggests(editor, "file:///unknown.py")
    explanation = await editor.command("midfill.explain")
    assert (explanation["outcome"], explanation["detail"]) == ("skipped", "it is not open")
    editor.change("file:///unknown.py", 2, {"text": "x"})
    assert not await suggests(editor, "file:///unknown.py")


async def test_a_document_of_a_malformed_address_can_be_lost_too(editor: InProcess) -> None:
    odd = "zipfile://[foo/bar.py"
    editor.open(odd, CODE)
    editor.notify("textDocument/didChange", change(odd, {"text": 1}))
    assert await suggests(editor, URI)
    assert any("a change of a document could not be read" in text for text in messages(editor))
