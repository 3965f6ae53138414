"""Malformed params of every registered method: one error with the field's name, and life goes on.

A notification has no reply; what is wrong with one is logged to the editor.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.fakes import FakeBackend
from tests.lsp.in_process import InProcess

URI = "file:///a.py"
HUGE = 2**70
INVALID_PARAMS = -32602

PLACE: dict[str, Any] = {
    "textDocument": {"uri": URI},
    "position": {"line": 0, "character": 4},
    "context": {"triggerKind": 1},
}
ITEM = {"item": {"insertText": "x", "command": {"arguments": ["1"]}}}
RANGE = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}


def at(line: object, character: object = 0) -> dict[str, Any]:
    return {**PLACE, "position": {"line": line, "character": character}}


WRONG_PLACES: list[tuple[object, str]] = [
    (None, "params|required field"),
    ([], "textDocument"),
    (3, "params|textDocument"),
    ("text", "textDocument"),
    ({}, "position"),
    ({**PLACE, "textDocument": None}, "textDocument"),
    ({**PLACE, "textDocument": {}}, "textDocument.uri"),
    ({**PLACE, "textDocument": {"uri": 5}}, "textDocument.uri"),
    ({**PLACE, "textDocument": {"uri": None}}, "textDocument.uri"),
    (at(-1), "line is not in the range"),
    (at(0, -1), "character is not in the range"),
    (at(HUGE), "line is not in the range"),
    (at(0, 2**31), "character is not in the range"),
    (at(1.5), "position.line"),
    (at("1"), "position.line"),
    (at(True), "position.line"),
    (at(None), "position.line"),
    (at(0, {}), "position.character"),
    ({**PLACE, "position": [0, 4]}, "position"),
    ({**PLACE, "context": None}, "context"),
    ({**PLACE, "context": {}}, "context.triggerKind"),
    ({**PLACE, "context": {"triggerKind": 99}}, "context.triggerKind"),
    ({**PLACE, "context": {"triggerKind": "1"}}, "context.triggerKind"),
    (
        {**PLACE, "context": {"triggerKind": 1, "selectedCompletionInfo": {"range": RANGE}}},
        "selectedCompletionInfo.text",
    ),
]
REQUESTS: list[tuple[str, object, str]] = [
    *(("textDocument/inlineCompletion", params, field) for params, field in WRONG_PLACES),
    *(("midfill/completion", params, field) for params, field in WRONG_PLACES),
    *(("textDocument/completion", params, field) for params, field in WRONG_PLACES[:19]),
    ("textDocument/completion", {**PLACE, "context": {"triggerKind": 99}}, "context.triggerKind"),
    ("midfill/completion", {**PLACE, "partialResultToken": {}}, "partialResultToken"),
    ("midfill/completion", {**PLACE, "partialResultToken": 1.5}, "partialResultToken"),
    ("midfill/completion", {**PLACE, "selection": {"start": 1}}, "$.start"),
    ("workspace/executeCommand", None, "params"),
    ("workspace/executeCommand", [], "command"),
    ("workspace/executeCommand", {}, "command"),
    ("workspace/executeCommand", {"command": None}, "command"),
    ("workspace/executeCommand", {"command": 3}, "command"),
    ("workspace/executeCommand", {"command": "midfill.nothing"}, "midfill.nothing"),
    ("workspace/executeCommand", {"command": "midfill.status", "arguments": 5}, "arguments"),
    ("workspace/executeCommand", {"command": "midfill.accepted"}, "arguments[0]"),
    (
        "workspace/executeCommand",
        {"command": "midfill.accepted", "arguments": [{}]},
        "arguments[0]",
    ),
    ("midfill/edit", None, "textDocument"),
    ("midfill/chat", None, "messages"),
    ("midfill/chat", [], "messages"),
    ("midfill/chat", {"messages": 3}, "messages"),
    ("midfill/chat", {"messages": [3]}, "messages[0]"),
    ("midfill/chat", {"messages": [{"role": "user", "content": 3}]}, "messages[0]"),
]
NOTIFICATIONS: list[tuple[str, object, str]] = [
    ("textDocument/didOpen", None, "textDocument"),
    ("textDocument/didOpen", {"textDocument": {"uri": URI}}, "textDocument.languageId"),
    ("textDocument/didChange", {"textDocument": {"uri": URI, "version": 2}}, "contentChanges"),
    (
        "textDocument/didChange",
        {"textDocument": {"uri": 1, "version": 2}, "contentChanges": []},
        "textDocument.uri",
    ),
    ("textDocument/didClose", {"textDocument": 5}, "textDocument"),
    ("textDocument/didSave", {"textDocument": 5}, "textDocument"),
    ("workspace/didChangeConfiguration", None, "settings"),
    ("workspace/didChangeWatchedFiles", {"changes": [{"uri": 1, "type": 2}]}, "changes"),
    ("workspace/didChangeWorkspaceFolders", {"event": {}}, "event.added"),
    ("window/workDoneProgress/cancel", {}, "token"),
    ("$/setTrace", {"value": "loud"}, "value"),
    ("midfill/didMoveCursor", {"textDocument": {"uri": "file:///a.py"}}, "position"),
    ("textDocument/didShowCompletion", None, "item"),
    ("textDocument/didShowCompletion", {"item": {"command": {"arguments": [5]}}}, "arguments"),
    ("textDocument/didPartiallyAcceptCompletion", {"acceptedLength": 3}, "item"),
    ("textDocument/didPartiallyAcceptCompletion", ITEM, "acceptedLength"),
    ("textDocument/didPartiallyAcceptCompletion", {**ITEM, "acceptedLength": -1}, "acceptedLength"),
    (
        "textDocument/didPartiallyAcceptCompletion",
        {**ITEM, "acceptedLength": HUGE},
        "acceptedLength",
    ),
]
ANY_PARAMS = {"initialized", "midfill/didChangeToken"}
"""Methods whose params say nothing."""
NOT_OURS = {"initialize", "shutdown", "exit", "$/cancelRequest"}
"""Tested in test_server_errors.py; the first three begin or end a life."""


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def editor() -> AsyncIterator[InProcess]:
    editor = InProcess(FakeBackend(deltas=["a + b"]))
    await editor.initialize()
    yield editor
    await editor.shut_down()


@pytest.fixture(autouse=True)
def hear_from_now_on(editor: InProcess) -> None:
    editor.received.clear()


async def check_alive(editor: InProcess) -> None:
    editor.open(URI, "x = \n")
    assert await editor.complete(URI, 0, 4)
    ids = [message["id"] for message in editor.received if "method" not in message]
    assert len(ids) == len(set(ids)), "one reply each"


@pytest.mark.parametrize(("method", "params", "field"), REQUESTS)
async def test_a_request_gets_an_error_that_names_the_field(
    editor: InProcess, method: str, params: object, field: str
) -> None:
    editor.open(URI, "x = \n")
    error = await editor.error(method, params)
    assert error["code"] == INVALID_PARAMS, error
    assert any(name in error["message"] for name in field.split("|")), error
    await check_alive(editor)


@pytest.mark.parametrize(("method", "params", "field"), NOTIFICATIONS)
async def test_a_notification_is_logged_to_the_editor(
    editor: InProcess, method: str, params: object, field: str
) -> None:
    editor.notify(method, params)
    (logged,) = [m["params"] for m in editor.received if m.get("method") == "window/logMessage"]
    assert logged["message"].startswith(f"malformed {method}: ")
    assert field in logged["message"]
    await check_alive(editor)


@pytest.mark.parametrize(("value", "is_answered"), [(1, True), (1.0, True), (1.2, False)])
async def test_whole_numbers_of_any_json_writer(
    editor: InProcess, value: float, is_answered: bool
) -> None:
    editor.open(URI, "x = \ny = \n")
    if is_answered:
        params = {**PLACE, "position": {"line": value, "character": 4}}
        result = await editor.request("textDocument/inlineCompletion", params)
        assert result["items"][0]["range"]["start"] == {"line": 1, "character": 4}
    else:
        assert (await editor.error("textDocument/inlineCompletion", at(value)))["code"]


async def test_no_method_is_left_out(editor: InProcess) -> None:
    methods = {method for method, _, _ in [*REQUESTS, *NOTIFICATIONS]} | ANY_PARAMS | NOT_OURS
    features = editor.methods()
    ours = {name for name in features if not name.startswith("notebookDocument/")}
    assert ours <= methods, ours - methods
