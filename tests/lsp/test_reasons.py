"""Every way in which a request can end has its sentence, and can be asked for."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from midfill_lsp import errors
from midfill_lsp.backend.http import NotSent
from midfill_lsp.cli import main
from midfill_lsp.complete import when
from midfill_lsp.metrics import Explanation, Outcome
from midfill_lsp.reasons import BEGIN, END, REASONS, code_of, rewrite
from midfill_lsp.recent import NUM_KEPT, Recent
from midfill_lsp.trim import verdict
from tests.fakes import FakeBackend
from tests.lsp.in_process import InProcess

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
URI = "file:///secret/project/add.py"
CODE = "def add(a, b):\n    return \n"
DONE = Explanation("7", URI, 3, 1, 11, "shown", timings_ms={"total": 12.5})

OF_WINDOW = {"notOpen", "outOfStep", "otherItem", "private"}
"""Skips that hold for explicit requests too."""


def kinds(base: type[errors.MidfillError]) -> set[str]:
    """Return the names of an error and those below it, less what a module keeps to itself."""
    own = {base.__name__} if base.__module__ == errors.__name__ else set[str]()
    return own.union(*(kinds(kind) for kind in base.__subclasses__()))


def test_every_end_has_its_reason() -> None:
    wanted = {
        *get_args(Outcome),
        *(f"skipped.{name}" for name in {*get_args(when.SkipName), *OF_WINDOW}),
        *(f"empty.{name}" for name in get_args(verdict.Reason)),
        *(f"error.{name}" for name in kinds(errors.BackendError)),
    }
    assert set(REASONS) == wanted
    for reason in REASONS.values():
        assert reason.sentence[0].isupper()
        assert reason.sentence.endswith(".")


def test_the_page_has_them_all() -> None:
    page = PAGE.read_text("utf-8")
    assert BEGIN in page
    assert END in page
    assert rewrite(page) == page, "run `make docs`"


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"outcome": "shown"}, "shown"),
        ({"outcome": "skipped", "skip": "midWord"}, "skipped.midWord"),
        ({"outcome": "skipped", "detail": "a control token"}, "skipped"),
        ({"outcome": "empty", "detail": "suffix"}, "empty.suffix"),
        ({"outcome": "empty"}, "empty"),
        ({"outcome": "error", "failure": "TimedOut", "detail": "x"}, "error.TimedOut"),
        ({"outcome": "error", "failure": "NewError"}, "error"),
    ],
)
def test_the_reason_of_an_explanation(facts: dict[str, Any], code: str) -> None:
    assert code_of(replace(DONE, **facts)) == code


def test_an_error_that_a_module_keeps_to_itself_is_of_its_base() -> None:
    assert NotSent("nobody answered").kind == "EngineGone"
    assert errors.TimedOut("x").kind == "TimedOut"


async def command(editor: InProcess, *arguments: object) -> Any:  # noqa: ANN401  # any JSON
    params = {"command": "midfill.explain", "arguments": list(arguments)}
    return await editor.request("workspace/executeCommand", params)


async def test_a_server_explains_its_latest_requests() -> None:
    failing = FakeBackend(deltas=[errors.TimedOut("nothing within 60 s")])
    editor = InProcess(failing)
    await editor.initialize()
    assert await command(editor) is None
    await editor.complete("file:///unknown.py", 0, 0)
    editor.open(URI, CODE)
    await editor.complete(URI, 1, 11)
    told = [request["reason"]["code"] for request in await command(editor, 5)]
    assert told == ["error.TimedOut", "skipped.notOpen"]
    last = await command(editor)
    assert last["reason"]["sentence"] == "Nothing came in time."
    assert last["detail"] == "nothing within 60 s"
    params = {"command": "midfill.explain", "arguments": ["many"]}
    error = await editor.error("workspace/executeCommand", params)
    assert "arguments[0]" in error["message"]
    await editor.shut_down()


async def test_a_bounded_number_is_kept() -> None:
    recent = Recent(lambda: None)
    for idx in range(3 * NUM_KEPT):
        recent.note(replace(DONE, request_id=str(idx)))
    latest = recent.last(1000)
    assert len(latest) == NUM_KEPT
    assert latest[0]["requestId"] == str(3 * NUM_KEPT - 1)
    assert recent.last(0) == []


def written(folder: Path) -> str | None:
    return next((path.read_text() for path in folder.glob("explanations-*.json")), None)


async def test_the_file_lives_as_long_as_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIDFILL_STATE_DIR", str(tmp_path))
    paused, go_on = asyncio.Event(), asyncio.Event()

    async def sleep(_seconds: float) -> None:
        paused.set()
        await go_on.wait()

    recent = Recent(lambda: tmp_path, sleep)
    recent.note(DONE)
    recent.note(replace(DONE, outcome="skipped", skip="midWord", detail="the cursor is inside"))
    keeping = asyncio.create_task(recent.keep())
    await paused.wait()
    text = written(tmp_path)
    assert text is not None
    assert "secret/project" not in text
    assert main(["explain"]) == 0
    out = capsys.readouterr().out
    assert out.count("add.py:2:12  ") == 2
    assert "The cursor is inside a word. (12.5 ms)\n" in out
    assert "> ask explicitly" in out
    assert main(["explain", "--json", "-n", "1"]) == 0
    (only,) = json.loads(capsys.readouterr().out)
    assert only["reason"]["code"] == "skipped.midWord"
    keeping.cancel()
    await asyncio.wait([keeping])
    assert written(tmp_path) is None
    assert main(["explain"]) == 1
    assert "no language server runs" in capsys.readouterr().out


def test_what_a_killed_server_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_STATE_DIR", str(tmp_path))
    facts = {"pid": 2**22 + 1, "requests": [{"at": 1.0}]}
    (tmp_path / "explanations-1.json").write_text(json.dumps(facts))
    (tmp_path / "explanations-2.json").write_text("{")
    (tmp_path / "explanations-3.json").write_text(json.dumps({"pid": os.getpid()}))
    assert main(["explain"]) == 1
    assert not (tmp_path / "explanations-1.json").exists()


async def test_a_malformed_uri_ends_nothing(tmp_path: Path) -> None:
    """It ended the task that writes, for the whole session."""
    paused = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        paused.set()
        await asyncio.Event().wait()

    recent = Recent(lambda: tmp_path, sleep)
    recent.note(replace(DONE, uri="zipfile://[foo/bar.py"))
    recent.note(DONE)
    keeping = asyncio.create_task(recent.keep())
    pause = asyncio.create_task(paused.wait())
    await asyncio.wait([keeping, pause], return_when=asyncio.FIRST_COMPLETED)
    text = written(tmp_path)
    assert text is not None
    assert [request["file"] for request in json.loads(text)["requests"]] == ["", "add.py"]
    keeping.cancel()
    await asyncio.wait([keeping])
