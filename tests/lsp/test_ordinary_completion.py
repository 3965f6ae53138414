"""`textDocument/completion`, for editors that know no inline completion."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes import FakeBackend
from tests.lsp.in_process import InProcess

URI = "file:///add.py"


async def complete(
    deltas: list[str],
    text: str,
    line: int,
    character: int,
    capabilities: dict[str, Any] | None = None,
    client: str | None = "some editor",
) -> dict[str, Any]:
    """Return what a fresh server answers."""
    editor = InProcess(FakeBackend(list(deltas)))
    params = {
        "processId": None,
        "rootUri": None,
        "capabilities": capabilities or {},
        **({"clientInfo": {"name": client}} if client else {}),
        "initializationOptions": {"midfill": {"completion": {"debounceMs": 0}}},
    }
    result = await editor.request("initialize", params)
    assert "." in result["capabilities"]["completionProvider"]["triggerCharacters"]
    editor.notify("initialized", {})
    editor.open(URI, text)
    place = {"textDocument": {"uri": URI}, "position": {"line": line, "character": character}}
    answer: dict[str, Any] = await editor.request("textDocument/completion", place)
    await editor.window.aclose()
    return answer


async def test_the_suggestion_is_an_item_low_in_the_list() -> None:
    answer = await complete(["lta + 1"], "alpha = de\n", 0, 10)
    (item,) = answer["items"]
    assert answer["isIncomplete"] is True
    assert item["label"] == item["filterText"] == "delta + 1"  # the word that is typed counts
    assert item["textEdit"] == {
        "range": {"start": {"line": 0, "character": 8}, "end": {"line": 0, "character": 10}},
        "newText": "delta + 1",
    }
    assert item["sortText"] > "zzzz"
    assert item["detail"] == "Midfill"
    assert item["insertTextFormat"] == 1
    assert item["command"]["command"] == "midfill.accepted"


async def test_it_is_marked_where_the_editor_can() -> None:
    can = {"textDocument": {"completion": {"completionItem": {"labelDetailsSupport": True}}}}
    answer = await complete(["1"], "x = ", 0, 4, can)
    assert answer["items"][0]["labelDetails"] == {"description": "Midfill"}
    assert "detail" not in answer["items"][0]


async def test_what_the_editor_closed_is_replaced() -> None:
    answer = await complete(["a, b):\n"], "def f()\n", 0, 6)
    (item,) = answer["items"]
    assert item["textEdit"]["newText"] == "a, b):"
    assert item["textEdit"]["range"]["end"] == {"line": 0, "character": 7}


@pytest.mark.parametrize(
    ("text", "character", "written", "inserted"),
    [
        ("def f()\n", 6, "a, b):\n", "a, b"),
        ("def f()\n", 6, "a=(1, 2)):\n", "a=(1, 2)"),
        ("x = f()\n", 6, "a, b\n", "a, b"),
        ('x = f("")\n', 7, 'a", 1)  # one\n', "a"),
        ("def f()\n", 6, "):\n", None),
    ],
)
async def test_nothing_is_replaced_where_the_editor_cannot(
    text: str, character: int, written: str, inserted: str | None
) -> None:
    answer = await complete([written], text, 0, character, client=None)
    edits = [item["textEdit"] for item in answer["items"]]
    assert [edit["newText"] for edit in edits] == ([inserted] if inserted is not None else [])
    assert all(edit["range"]["end"] == {"line": 0, "character": character} for edit in edits)


@pytest.mark.parametrize(
    ("client", "line_end"), [("helix", "\r\n"), ("Eglot", "\n"), ("Neovim", "\n"), ("emacs", "\n")]
)
async def test_a_block_is_labelled_by_its_first_line(client: str, line_end: str) -> None:
    block = ["x = 1\n    if x:\n        y()\n    return x\n\n\nz"]
    answer = await complete(block, "def f():\r\n    \r\n", 1, 4, client=client)
    (item,) = answer["items"]
    lines = ["x = 1", "    if x:", "        y()", "    return x"]
    assert item["label"] == "x = 1"
    assert item["textEdit"]["newText"] == item["documentation"] == line_end.join(lines)


async def test_a_long_label_is_cut() -> None:
    text = " + ".join(["alpha", "gamma", "delta", "omega", "beta", "kappa", "sigma"] * 2)[:90] + "z"
    answer = await complete([text], "x = ", 0, 4)
    (item,) = answer["items"]
    assert item["label"] == text[:79] + "…"
    assert item["textEdit"]["newText"] == text


@pytest.mark.parametrize(
    ("head", "word"), [("", ""), ("x.größe_2", "größe_2"), ("日本", "日本"), ("😀b", "b")]
)
async def test_a_word_is_what_stands_right_before_the_cursor(head: str, word: str) -> None:
    text = f'x = "{head}'
    answer = await complete(['c"'], text, 0, len(text.encode("utf-16-le")) // 2)
    assert answer["items"][0]["textEdit"]["newText"] == f'{word}c"'


async def test_a_long_line_is_gone_over_once() -> None:
    # The word was searched for in the whole line: this one took many minutes, and all else waited.
    text = 'KEY = "' + "0123456789abcdef" * 20_000 + '" + '
    answer = await complete(["1"], text, 0, len(text))
    assert answer["items"][0]["textEdit"]["newText"] == "1"


async def test_nothing_is_no_item() -> None:
    answer = await complete([""], "x = ", 0, 4)
    assert answer["items"] == []


async def test_editors_with_ghost_text_are_not_offered_it() -> None:
    editor = InProcess(FakeBackend(["1"]))
    can = {"textDocument": {"inlineCompletion": {"dynamicRegistration": False}}}
    params = {"processId": None, "rootUri": None, "capabilities": can}
    result = await editor.request("initialize", params)
    assert "completionProvider" not in result["capabilities"]
    editor.notify("initialized", {})
    place = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 0}}
    error = await editor.error("textDocument/completion", place)
    assert error["code"] == -32601
    await editor.window.aclose()
