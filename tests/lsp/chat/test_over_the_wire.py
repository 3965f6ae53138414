"""`midfill/chat` and `midfill/edit` through the server's handlers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from midfill_lsp.backend.base import EndReason, StreamEnd
from midfill_lsp.errors import CannotDo, PromptTooLong
from tests.fakes import FakeBackend
from tests.lsp.in_process import InProcess

REQUEST_FAILED, CONTENT_MODIFIED, INVALID_PARAMS, CANCELLED = -32803, -32801, -32602, -32800
SECRET = "AKIA" + "IOSFODNN7EXAMQLE"
CODE = "import os\r\n\r\nclass A:\r\n    def f(self):\r\n        return 1\r\n"
F: Any = {"start": {"line": 3, "character": 0}, "end": {"line": 5, "character": 0}}


class ChatBackend(FakeBackend):
    """Also tells its context."""

    context: int | None = 2048
    refusal: CannotDo | None = None
    num_too_long = 0

    async def chat_context(self) -> int | None:
        if self.refusal:
            raise self.refusal
        return self.context

    def chat(self, messages: Any, max_tokens: int) -> Any:  # noqa: ANN401  # as the base's
        if self.num_too_long:
            self.num_too_long -= 1
            self.chats.append(messages)
            return FakeBackend(deltas=[PromptTooLong("too long")]).chat(messages, max_tokens)
        return super().chat(messages, max_tokens)


@pytest.fixture
def backend() -> ChatBackend:
    return ChatBackend()


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return (tmp_path / "a.py").as_uri()


@pytest.fixture
async def editor(backend: ChatBackend, uri: str) -> AsyncIterator[InProcess]:
    editor = InProcess(backend)
    await editor.initialize()
    editor.open(uri, CODE)
    yield editor
    await editor.request("shutdown")


def says(backend: ChatBackend, *deltas: str) -> None:
    backend.deltas = list(deltas)


def chat(text: str, *context: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "context": list(context), **fields}


def partials(editor: InProcess) -> list[dict[str, Any]]:
    return [m["params"]["value"] for m in editor.received if m.get("method") == "$/progress"]


async def test_a_selection_goes_along(editor: InProcess, backend: ChatBackend, uri: str) -> None:
    says(backend, "It ", "returns 1.")
    params = chat("/explain", {"uri": uri, "range": F}, partialResultToken="t")
    reply = await editor.request("midfill/chat", params)
    assert reply == {"content": "It returns 1.", "blocks": [], "notes": []}
    assert partials(editor) == [{"content": "It "}, {"content": "It returns 1."}]
    (message,) = backend.chats[0]
    assert "`a.py`, lines 4 to 5:" in message.content
    assert "```python\n    def f(self):\n        return 1\n```" in message.content
    assert "import os" not in message.content
    assert message.content.endswith("Be brief.")


async def test_the_code_of_an_answer_can_be_applied(
    editor: InProcess, backend: ChatBackend, uri: str
) -> None:
    says(backend, "```python\ndef f(self):\n    return 2\n```\n", "It was 1.")
    reply = await editor.request("midfill/chat", chat("/fix", {"uri": uri, "range": F}))
    (block,) = reply["blocks"]
    assert block == {
        "language": "python",
        "text": "def f(self):\n    return 2\n",
        "startLine": 1,
        "endLine": 3,
        "closed": True,
        "uri": uri,
        "version": 1,
        "range": F,
        "newText": "    def f(self):\r\n        return 2\r\n",
    }
    for command in ("/tests", "what is this?"):
        reply = await editor.request("midfill/chat", chat(command, {"uri": uri, "range": F}))
        assert "range" not in reply["blocks"][0]
    says(backend, "```\na\n```\nor\n```\nb\n```")
    reply = await editor.request("midfill/chat", chat("/fix", {"uri": uri}))
    assert not any("range" in block for block in reply["blocks"])


async def test_history_is_cut_to_the_context_and_the_reply_says_so(
    editor: InProcess, backend: ChatBackend
) -> None:
    backend.context = 300
    says(backend, "ok")
    turns = [
        {"role": role, "content": f"{idx} {role} " + "x" * 150}
        for idx in range(4)
        for role in ("user", "assistant")
    ]
    system = {"role": "system", "content": "Be brief."}
    asked = {"messages": [system, *turns, {"role": "user", "content": "now"}]}
    reply = await editor.request("midfill/chat", asked)
    sent = [message.content for message in backend.chats[0]]
    assert sent == ["Be brief.", turns[-2]["content"], turns[-1]["content"], "now"]
    assert reply["notes"] == ["the 6 oldest messages did not fit and were left out"]
    backend.num_too_long = 1
    await editor.request("midfill/chat", asked)
    assert len(backend.chats[-1]) < len(backend.chats[-2])
    backend.num_too_long = 3
    error = await editor.error("midfill/chat", asked)
    assert error["code"] == REQUEST_FAILED


async def test_a_model_that_only_completes_says_so(
    editor: InProcess, backend: ChatBackend, uri: str
) -> None:
    backend.refusal = CannotDo("starter cannot chat: choose a model that chats")
    for method, params in (
        ("midfill/chat", chat("hi")),
        ("midfill/edit", edit_of(uri)),
    ):
        error = await editor.error(method, params)
        assert (error["code"], error["message"]) == (REQUEST_FAILED, str(backend.refusal))
    assert not backend.chats


@pytest.mark.parametrize(
    ("params", "code", "told"),
    [
        (chat("/fox", {"uri": "U"}), REQUEST_FAILED, "no command /fox"),
        (chat("/fix"), REQUEST_FAILED, "/fix needs code"),
        (chat("hi", {"uri": "file:///other.py"}), INVALID_PARAMS, "file:///other.py is not open"),
        (chat("hi", {"range": F}), INVALID_PARAMS, "context[0]"),
        (chat("hi", {"uri": "U", "range": 3}), INVALID_PARAMS, "context[0].range"),
        (chat("hi", context=3), INVALID_PARAMS, "context: a list of up to 8"),
        (chat("hi", *[{"uri": "U"}] * 9), INVALID_PARAMS, "context: a list of up to 8"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, INVALID_PARAMS, "the last one"),
        (chat("x" * 100_000), REQUEST_FAILED, "the question has 100000 characters"),
    ],
    ids=range(9),
)
async def test_wrong_questions(
    editor: InProcess,
    backend: ChatBackend,
    uri: str,
    params: dict[str, Any],
    code: int,
    told: str,
) -> None:
    error = await editor.error(
        "midfill/chat", json.loads(json.dumps(params).replace('"U"', f'"{uri}"'))
    )
    assert error["code"] == code
    assert told in error["message"]
    assert not backend.chats


async def test_a_cancelled_answer_is_aborted(editor: InProcess, backend: ChatBackend) -> None:
    says(backend, "one", "two")
    backend.gate = asyncio.Event()
    msg_id, reply = editor.begin("midfill/chat", chat("hi"))
    await backend.started.wait()
    editor.cancel(msg_id)
    assert (await reply)["error"]["code"] == CANCELLED
    await backend.aborted.wait()


def edit_of(uri: str, **fields: object) -> dict[str, Any]:
    document = {"uri": uri, "version": 1}
    return {"textDocument": document, "range": F, "instruction": "return 2", **fields}


NEW = "    def f(self):\r\n        return 2\r\n"


async def test_an_edit(editor: InProcess, backend: ChatBackend, uri: str) -> None:
    says(backend, "Here:\n```python\ndef f(self):\n", "    return 2\n", "```")
    reply = await editor.request("midfill/edit", edit_of(uri, partialResultToken=3))
    (change,) = reply["edit"]["documentChanges"]
    assert change == {
        "textDocument": {"uri": uri, "version": 1},
        "edits": [{"range": F, "newText": NEW}],
    }
    texts = [value["newText"] for value in partials(editor)]
    assert texts
    assert all(NEW.startswith(text) for text in texts)
    system, question = backend.chats[0]
    assert system.role == "system"
    assert "class A:\n[the piece]" in question.content
    assert question.content.endswith("The instruction: return 2")


async def test_an_edit_follows_a_document_that_moves_on(
    editor: InProcess, backend: ChatBackend, uri: str
) -> None:
    says(backend, "```\ndef f(self):\n", "    return 2\n```")
    backend.gate = asyncio.Event()
    _, reply = editor.begin("midfill/edit", edit_of(uri))
    await backend.started.wait()
    top = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}
    editor.change(uri, 2, {"range": top, "text": "# new\r\n"})
    backend.gate.set()
    (change,) = (await reply)["result"]["edit"]["documentChanges"]
    assert change["textDocument"]["version"] == 2
    assert change["edits"][0]["range"]["start"]["line"] == 4
    backend.gate.clear()
    backend.started.clear()
    _, reply = editor.begin("midfill/edit", edit_of(uri, textDocument={"uri": uri}))
    await backend.started.wait()
    inside = {"start": {"line": 4, "character": 8}, "end": {"line": 4, "character": 8}}
    editor.change(uri, 3, {"range": inside, "text": "x"})
    backend.gate.set()
    error = (await reply)["error"]
    assert (error["code"], "ask again" in error["message"]) == (CONTENT_MODIFIED, True)
    error = await editor.error("midfill/edit", edit_of(uri))
    assert error["code"] == CONTENT_MODIFIED
    assert "at version 3" in error["message"]


def replaced(first: int, last: int, text: str) -> dict[str, Any]:
    start, end = {"line": first, "character": 0}, {"line": last, "character": 0}
    return {"range": {"start": start, "end": end}, "text": text}


MOVES: list[tuple[int, list[list[dict[str, Any]]]]] = [
    # These were refused: only the one difference between first and last text was looked at.
    (4, [[replaced(0, 0, "# t\n")], [replaced(6, 6, "# u\n")]]),
    (4, [[replaced(5, 5, "# u\n"), replaced(0, 0, "# t\n")]]),
    (4, [[replaced(5, 5, "# u\n")], [{"text": f"# t\n{CODE}# u\n"}]]),
    (4, [[replaced(0, 0, CODE)], [replaced(1, 5, "")], [replaced(6, 6, "# u\n")]]),
    # What is undone has not changed.
    (3, [[replaced(0, 0, "# t\n")], [replaced(5, 5, "x")], [replaced(5, 5, "y"), {"text": CODE}]]),
]


@pytest.mark.parametrize(("line", "moves"), MOVES)
async def test_changes_on_both_sides_move_an_edit_along(
    editor: InProcess,
    backend: ChatBackend,
    uri: str,
    line: int,
    moves: list[list[dict[str, Any]]],
) -> None:
    says(backend, "```\n", f"{NEW}```")
    backend.gate = asyncio.Event()
    _, edited = editor.begin("midfill/edit", edit_of(uri))
    await backend.started.wait()
    backend.started.clear()
    _, told = editor.begin("midfill/chat", chat("/fix", {"uri": uri, "range": F}))
    await backend.started.wait()
    for number, changes in enumerate(moves, 2):
        editor.change(uri, number, *changes)
    backend.gate.set()
    (change,) = (await edited)["result"]["edit"]["documentChanges"]
    place = change["edits"][0]["range"]
    start, end = {"line": line, "character": 0}, {"line": line + 2, "character": 0}
    assert place == {"start": start, "end": end}
    assert change["textDocument"]["version"] == len(moves) + 1
    (block,) = (await told)["result"]["blocks"]
    assert (block["range"], block["version"]) == (place, len(moves) + 1)


@pytest.mark.parametrize(
    ("answer", "reason", "told"),
    [
        ("Sure, I will.", "eos", "words instead of code"),
        ("```\na\n```\n```\nb\n```", "eos", "2 code blocks"),
        ("```\na\n```", "limit", "broke off at its longest length"),
        ("", "eos", "answered with nothing"),
    ],
)
async def test_answers_that_are_no_edit(
    editor: InProcess, backend: ChatBackend, uri: str, answer: str, reason: EndReason, told: str
) -> None:
    says(backend, *([answer] if answer else []))
    backend.end = StreamEnd(reason)
    error = await editor.error("midfill/edit", edit_of(uri))
    assert error["code"] == REQUEST_FAILED
    assert told in error["message"]


async def test_an_edit_that_changes_nothing(
    editor: InProcess, backend: ChatBackend, uri: str
) -> None:
    says(backend, "```\n    def f(self):\n        return 1\n```")
    reply = await editor.request("midfill/edit", edit_of(uri))
    assert reply["edit"]["documentChanges"][0]["edits"] == []


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"instruction": ""}, "instruction"),
        ({"instruction": 3}, "instruction"),
        ({"range": None}, "range"),
        ({"range": {"start": 1}}, "range"),
        ({"textDocument": {}}, "textDocument"),
        ({"textDocument": {"uri": "file:///no.py"}}, "is not open"),
        ({"partialResultToken": []}, "partialResultToken"),
    ],
)
async def test_malformed_edits(
    editor: InProcess, uri: str, fields: dict[str, object], told: str
) -> None:
    error = await editor.error("midfill/edit", {**edit_of(uri), **fields})
    assert error["code"] == INVALID_PARAMS
    assert told in error["message"]


@pytest.mark.parametrize(
    ("text", "start", "sent", "num_masked"),
    [
        ('password="Hunter2!", b=1\nc = 2\n', (0, 10), 'xxxxxxxx", b=1\nc = 2', 1),
        ('password="Hunter2!", b=1\nc = 2\n', (0, 13), 'xxxxx", b=1\nc = 2', 1),
        ('password="Hunter2!", b=1\nc = 2\n', (0, 21), "b=1\nc = 2", 0),
        ('secret = (\n    "Hunter2!"\n)\n', (1, 0), '    "xxxxxxxx"\n)', 1),
        (f'{"z" * 4_100}; password="Hunter2!"\n', (0, 4_114), 'xxxxxx"', 1),
    ],
)
async def test_a_selection_is_masked_with_what_stands_before_it(
    editor: InProcess,
    backend: ChatBackend,
    uri: str,
    text: str,
    start: tuple[int, int],
    sent: str,
    num_masked: int,
) -> None:
    # A password was sent where the selection began behind its name.
    says(backend, "so")
    editor.open(uri, text)
    lines = text.split("\n")
    end = {"line": len(lines) - 2, "character": len(lines[-2])}
    place = {"uri": uri, "range": {"start": {"line": start[0], "character": start[1]}, "end": end}}
    reply = await editor.request("midfill/chat", chat("/explain", place))
    (asked,) = backend.chats
    assert f"python\n{sent}\n```" in asked[-1].content
    masked = [f"what looks like a secret was masked in {num_masked} lines"]
    assert reply["notes"] == (masked if num_masked else [])


async def test_an_edit_in_a_long_line_sends_no_end_of_a_password(
    editor: InProcess, backend: ChatBackend, uri: str
) -> None:
    says(backend, "```\nx\n```")
    editor.open(uri, 'a = {"password": "correct horse battery", ' + '"z": 1, ' * 510 + "}\n")
    for column in range(4_000, 4_050, 3):
        place = {"line": 0, "character": column}
        await editor.request("midfill/edit", edit_of(uri, range={"start": place, "end": place}))
    told = "".join(message.content for asked in backend.chats for message in asked)
    assert "battery" not in told
    assert '"z": 1' in told


async def test_a_secret_never_reaches_a_request(
    editor: InProcess, backend: ChatBackend, uri: str, tmp_path: Path
) -> None:
    says(backend, "```\nx\n```")
    text = f'import os\nkey = "{SECRET}"\n\n\nclass A:\n    pass\n'
    editor.open(uri, text)
    reply = await editor.request("midfill/chat", chat("/fix", {"uri": uri}))
    assert reply["notes"][0] == "what looks like a secret was masked in 1 lines"
    assert "cannot be applied" in reply["notes"][1]
    assert "range" not in reply["blocks"][0]
    below = {"start": {"line": 4, "character": 0}, "end": {"line": 6, "character": 0}}
    await editor.request("midfill/edit", edit_of(uri, range=below))
    above = {"start": {"line": 1, "character": 0}, "end": {"line": 2, "character": 0}}
    error = await editor.error("midfill/edit", edit_of(uri, range=above))
    assert "the selection holds what looks like a secret" in error["message"]
    hidden = (tmp_path / ".env").as_uri()
    editor.open(hidden, f"KEY={SECRET}\n")
    for method, params in (
        ("midfill/chat", chat("hi", {"uri": hidden})),
        ("midfill/edit", edit_of(hidden, range=below)),
    ):
        error = await editor.error(method, params)
        assert (error["code"], ".env looks like" in error["message"]) == (REQUEST_FAILED, True)
    assert len(backend.chats) == 2
    assert SECRET not in str(backend.chats)
