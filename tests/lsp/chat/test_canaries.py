"""Planted secrets never leave with a chat or an edit, whoever answers: the bytes on the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from midfill_lsp.config import BackendConfig, Config
from tests.lsp.chat.servers import KINDS, PIECES, World, over

REQUEST_FAILED = -32803
TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3
CODE = f"""token = "{TOKEN}"
password = "kanari-in-file"
connect(
    secret_key=
        "kanari-below",
)


def f(self):
    return 1
"""
BELOW = {"start": {"line": 8, "character": 0}, "end": {"line": 10, "character": 0}}
# The settings decide on trust; the bytes go to this machine in any case.
HERE: dict[str, object] = {}
THERE: dict[str, object] = {"backend": {"kind": "llamacpp", "url": "http://models.example"}}


def leaks(world: World) -> list[str]:
    """Return the canaries in all that the server got."""
    sent = json.dumps([[seen.body, seen.headers, seen.query] for seen in world.server.seen])
    return [canary for canary in ("kanari", TOKEN, TOKEN[4:20]) if canary in sent]


def opened(world: World, name: str, text: str) -> str:
    uri = world.uri.rpartition("/")[0] + f"/{name}"
    world.editor.open(uri, text)
    return uri


def said(question: str, **context: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    return {
        "messages": [
            {"role": "system", "content": "DB_PASSWORD=kanari-in-system"},
            {"role": "user", "content": f"is {TOKEN} a token?"},
            {"role": "assistant", "content": "yes:\n```\napi_key: kanari-in-answer\n```"},
            {"role": "user", "content": question},
        ],
        "context": [context] if context else [],
    }


@pytest.mark.parametrize("name", list(KINDS))
async def test_what_goes_elsewhere_holds_no_secret(name: str, tmp_path: Path) -> None:
    async with over(name, tmp_path, **THERE) as world:
        world.answers(world.kind.says(*PIECES))
        uri = opened(world, f"{TOKEN}.py", CODE)
        question = 'why does password = "kanari-in-question" fail?'
        reply = await world.editor.request("midfill/chat", said(question, uri=uri))
        assert leaks(world) == []
        assert 'why does password = \\"xxxxxxxxxxxxxxxxxx\\" fail?' in world.asked()[0]
        assert reply["notes"] == [
            "what looks like a secret was masked in 4 lines of the messages, since they go to "
            "another machine",
            "what looks like a secret was masked in 3 lines",
        ]
        params = {**world.edit(), "textDocument": {"uri": uri, "version": 1}, "range": BELOW}
        await world.editor.request("midfill/edit", params)
        assert leaks(world) == []
        num_asked = len(world.asked())
        error = await world.editor.error(
            "midfill/edit", {**params, "instruction": f'put "{TOKEN}" in'}
        )
        assert error["code"] == REQUEST_FAILED
        assert "the instruction holds what looks like a secret" in error["message"]
        assert TOKEN not in error["message"]
        assert (len(world.asked()), leaks(world)) == (num_asked, [])


async def test_on_this_machine_a_question_goes_as_it_was_asked(tmp_path: Path) -> None:
    async with over("engine", tmp_path, **HERE) as world:
        world.answers(world.kind.says(*PIECES))
        uri = opened(world, "b.py", CODE.replace(TOKEN, "plain"))
        reply = await world.editor.request("midfill/chat", said(f"is {TOKEN} one?", uri=uri))
        (asked,) = world.asked()
        assert f"is {TOKEN} one?" in asked
        assert "kanari-in-answer" in asked
        assert "kanari-in-file" not in asked  # what is in files is masked for everybody
        assert reply["notes"] == ["what looks like a secret was masked in 2 lines"]


@pytest.mark.parametrize("settings", [HERE, THERE])
@pytest.mark.parametrize("document", [".env", "ignored.py", "link.py", "../outside.py"])
async def test_documents_that_do_not_pass(
    tmp_path: Path, settings: dict[str, object], document: str
) -> None:
    root = tmp_path / "work"
    (root / ".git").mkdir(parents=True)
    (root / ".gitignore").write_text("ignored.py\n", "utf-8")
    (tmp_path / "secrets.json").write_text("{}", "utf-8")
    (root / "link.py").symlink_to(tmp_path / "secrets.json")
    async with over("engine", root, **settings) as world:
        world.editor.window.surroundings.take_folders([root])
        world.answers(world.kind.says(*PIECES))
        uri = opened(world, document, "x = kanari\ny = 2\n")
        is_lent = document == "../outside.py" and settings is HERE
        params = {**world.edit(), "textDocument": {"uri": uri, "version": 1}}
        for method, asked in (("midfill/chat", said("hi", uri=uri)), ("midfill/edit", params)):
            if is_lent:  # what the user works in may go to his own machine
                await world.editor.request(method, asked)
            else:
                error = await world.editor.error(method, asked)
                assert error["message"].endswith("it was not sent")
                assert world.asked() == []


@pytest.mark.parametrize("method", ["midfill/chat", "midfill/edit"])
async def test_a_backend_that_is_trusted_less_on_the_way_gets_nothing(
    tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with over("engine", tmp_path) as world:
        world.answers(world.kind.says(*PIECES))
        window = world.editor.window
        admit = window.surroundings.gate.admit

        def admit_and_change(*args: Any, **named: Any) -> Any:  # noqa: ANN401  # as the gate's
            there = Config(backend=BackendConfig(kind="llamacpp", url="http://models.example"))
            monkeypatch.setattr(type(window.settings), "config", property(lambda _: there))
            return admit(*args, **named)

        monkeypatch.setattr(window.surroundings.gate, "admit", admit_and_change)
        error = await world.editor.error(method, world.asks(method))
        assert error["message"] == "the backend was changed meanwhile: ask again"
        assert world.asked() == []
