"""A real `midfill lsp` over stdio whose text comes from a remote server: the whole way of a key."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.client import LspClient, lsp_client
from tests.lsp.backend.fake_remote import Answer, FakeRemote, chat_chunk, js, sse, token_event

pytestmark = pytest.mark.e2e

URI = "file:///add.py"
CODE = "def add(a, b):\n    return \n"
MODEL = "codellama/CodeLlama-7b-hf"
PATH = f"/models/{MODEL}"
ONE = sse(token_event("x", "length"))
WRITTEN = sse(token_event("a"), token_event(" + b"), token_event(" <EOT>", "eos_token"))
PROGRESS = {"window": {"workDoneProgress": True}}

Start = Callable[..., AbstractAsyncContextManager[LspClient]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Return a function that starts `midfill lsp` as an editor would, apart from this machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MIDFILL_", "HF_", "HUGGING"))
    }
    environment = {**kept, "MIDFILL_STATE_DIR": str(tmp_path / "state"), "HF_HOME": str(tmp_path)}

    @asynccontextmanager
    async def starting(*options: str, **variables: str) -> AsyncGenerator[LspClient]:
        # No test wants the bundled engine, and an editor's settings come too late to hold it back.
        words = ["lsp", "--no-early-start", *options]
        command = [sys.executable, "-m", "midfill_lsp.cli", *words]
        async with lsp_client(*command, env={**environment, **variables}) as client:
            yield client

    return starting


def at(line: int, character: int, trigger: int = 1) -> dict[str, Any]:
    return {
        "textDocument": {"uri": URI},
        "position": {"line": line, "character": character},
        "context": {"triggerKind": trigger},
    }


def pro(fake: FakeRemote, **more: object) -> dict[str, Any]:
    """The settings for the PRO API as announced, at another host."""
    backend = {"kind": "tgi", "url": fake.url + "/models/{model}", "model": MODEL, **more}
    return {"midfill": {"backend": backend, "tokenRequests": True}}


async def run(client: LspClient, command: str) -> dict[str, Any]:
    result: dict[str, Any] = await client.request("workspace/executeCommand", {"command": command})
    return result


def messages(client: LspClient) -> list[str]:
    return [params["message"] for params in client.notifications("window/showMessage")]


async def complete(client: LspClient, line: int, character: int) -> list[str]:
    result = await client.request("textDocument/inlineCompletion", at(line, character))
    return [item["insertText"] for item in result["items"]]


async def type_at(client: LspClient, version: int, line: int, character: int, text: str) -> None:
    place = {"line": line, "character": character}
    change = {"range": {"start": place, "end": place}, "text": text}
    document = {"uri": URI, "version": version}
    await client.notify(
        "textDocument/didChange", {"textDocument": document, "contentChanges": [change]}
    )


async def test_a_key_is_answered_from_the_pro_api(start: Start) -> None:
    async with FakeRemote() as fake, start() as client:
        fake.on(PATH, ONE, WRITTEN)
        client.answers["midfill/token"] = lambda params: {"token": f"hf_for_{params['url'][:4]}"}
        await client.initialize(pro(fake))
        await client.open(URI, "def add(a, b):\n    retur\n")
        await type_at(client, 2, 1, 9, "n ")
        assert await complete(client, 1, 11) == ["a + b"]
        sent = fake.bodies(PATH)[-1]
        assert sent["inputs"] == "<PRE> def add(a, b):\n    return  <SUF>\n <MID>"
        assert {seen.headers["authorization"] for seen in fake.seen} == {"Bearer hf_for_http"}
        status = await run(client, "midfill.status")
        assert status["state"] == "ready"
        assert status["model"] == MODEL
        assert status["capabilities"]["family"] == "codellama"
        assert status["capabilities"]["maxStops"] == 4
        assert status["engine"] == {
            "url": f"{fake.url}{PATH}",
            "pid": None,
            "version": None,
            "note": None,
        }
        assert "hf_for" not in str(client.received), "the token does not come back"
        assert await client.shut_down() == 0


async def test_the_token_never_gets_to_the_log(start: Start, capfd: Any) -> None:  # noqa: ANN401
    async with FakeRemote() as fake, start() as client:
        fake.on(PATH, js({"error": "no access for hf_of_editor"}, 401))
        client.answers["midfill/token"] = lambda _params: {"token": "hf_of_editor"}
        await client.initialize(pro(fake))
        await client.open(URI, CODE)
        assert await complete(client, 1, 11) == []
        assert await client.shut_down() == 0
        assert "hf_of_editor" not in str(client.received)
    assert "hf_of_editor" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (js({"error": "Invalid token"}, 401), "wants a key"),
        (js({"error": "gone"}, 410), "router.huggingface.co"),
        (js({"error": "busy"}, 429, retry_after="1000"), "asked again in 1000 s"),
        (sse(token_event("a"), then="drop"), "broke off"),
    ],
)
async def test_a_failure_is_told_once_and_the_server_is_left_alone(
    start: Start, answer: Answer, told: str
) -> None:
    async with FakeRemote() as fake, start() as client:
        fake.on(PATH, ONE, answer)
        await client.initialize(pro(fake))
        await client.open(URI, CODE)
        await fake.came.get()
        for _ in range(5):
            automatic = await client.request("textDocument/inlineCompletion", at(1, 11, 2))
            assert automatic == {"items": []}
        (message,) = messages(client)
        assert told in message
        assert "\n" not in message
        assert len([body for body in fake.bodies(PATH) if body["inputs"] != "def"]) == 1
        assert (await run(client, "midfill.status"))["state"] == "error"
        assert "not tried again yet" in (await run(client, "midfill.explain"))["detail"]
        assert await client.shut_down() == 0


async def test_a_server_that_names_a_time_is_not_asked_before_even_when_told_to(
    start: Start,
) -> None:
    async with FakeRemote() as fake, start() as client:
        fake.on(PATH, ONE, js({"error": "busy"}, 429, retry_after="1000"))
        await client.initialize(pro(fake))
        await client.open(URI, CODE)
        for _ in range(3):
            assert await complete(client, 1, 11) == []
        assert len([body for body in fake.bodies(PATH) if body["inputs"] != "def"]) == 1
        assert await client.shut_down() == 0


async def test_another_token_heals_at_once(start: Start) -> None:
    async with FakeRemote() as fake, start() as client:
        fake.on(PATH, js({"error": "Invalid token"}, 401))
        tokens = ["hf_old"]
        client.answers["midfill/token"] = lambda _params: {"token": tokens[-1]}
        await client.initialize(pro(fake))
        await client.open(URI, CODE)
        await client.wait_for(lambda _item: bool(messages(client)))
        assert "refused the token of the editor" in messages(client)[0]
        fake.on(PATH, ONE, WRITTEN)
        tokens.append("hf_new")
        await client.notify("midfill/didChangeToken")
        assert await complete(client, 1, 11) == ["a + b"]
        assert fake.seen[-1].headers["authorization"] == "Bearer hf_new"
        assert len(messages(client)) == 1
        assert await client.shut_down() == 0


async def test_a_loading_model_shows_progress_and_survives_cancelled_keys(start: Start) -> None:
    loading = js({"error": "currently loading", "estimated_time": 0.1}, 503)
    async with FakeRemote() as fake, start() as client:
        fake.on(PATH, loading, Answer(ONE.chunks, kind=ONE.kind, is_late=True), WRITTEN)
        await client.initialize(pro(fake), capabilities=PROGRESS)
        await client.open(URI, CODE)
        begun = await client.begin("textDocument/inlineCompletion", at(1, 11))
        await client.wait_for(
            lambda item: (
                item.get("method") == "$/progress"
                and item["params"]["value"].get("title") == f"Loading {MODEL}"
            )
        )
        assert (await run(client, "midfill.status"))["state"] == "starting"
        await client.notify("$/cancelRequest", {"id": begun})
        assert (await client.reply(begun))["error"]["code"] == -32800
        waiting = await client.begin("textDocument/inlineCompletion", at(1, 11))
        fake.gate.set()
        reply = await client.reply(waiting)
        assert [item["insertText"] for item in reply["result"]["items"]] == ["a + b"]
        await client.wait_for(
            lambda item: (
                item.get("method") == "$/progress" and item["params"]["value"].get("kind") == "end"
            )
        )
        assert messages(client) == []
        assert await client.shut_down() == 0


async def test_a_sentinel_skips_the_request_and_explain_says_why(start: Start) -> None:
    async with FakeRemote() as fake, start() as client:
        fake.on(PATH, ONE, WRITTEN)
        await client.initialize(pro(fake))
        await client.open(URI, "x = '<MID>' + \n")
        assert await complete(client, 0, 14) == []
        explained = await run(client, "midfill.explain")
        assert explained["outcome"] == "skipped"
        assert "control token of the codellama family" in explained["detail"]
        assert len(fake.bodies(PATH)) == 1, "the probe alone"
        assert (await run(client, "midfill.status"))["state"] == "ready"
        assert messages(client) == []
        assert await client.shut_down() == 0


async def test_switching_the_backend_without_a_restart(start: Start) -> None:
    async with FakeRemote() as first, FakeRemote() as second, start() as client:
        first.on(PATH, ONE, WRITTEN)
        second.on("/v1/models", js({"data": [{"id": "gpt-x"}]}))
        probe = sse(chat_chunk("H", "length"))
        second.on("/v1/chat/completions", probe, sse(chat_chunk("b + a", "stop")))
        await client.initialize(pro(first))
        await client.open(URI, CODE)
        assert await complete(client, 1, 11) == ["a + b"]
        backend = {"kind": "openai", "url": second.url, "model": "gpt-x"}
        await client.notify(
            "workspace/didChangeConfiguration", {"settings": {"midfill": {"backend": backend}}}
        )
        assert await complete(client, 1, 11) == ["b + a"]
        status = await run(client, "midfill.status")
        assert status["capabilities"]["infill"] == "chat"
        answer = await client.request(
            "midfill/chat", {"messages": [{"role": "user", "content": "Hi"}]}
        )
        assert answer["content"] == "b + a"
        assert await client.shut_down() == 0


async def test_options_of_the_command_line(start: Start, tmp_path: Path) -> None:
    (tmp_path / "own_token").write_text("hf_file")
    async with FakeRemote() as fake:
        fake.on("/", ONE, WRITTEN)
        options = ["--backend", "tgi", "--backend-url", fake.url, "--backend-model", MODEL]
        options += ["--token-file", str(tmp_path / "own_token")]
        async with start(*options) as client:
            await client.initialize()
            await client.open(URI, CODE)
            assert await complete(client, 1, 11) == ["a + b"]
            assert fake.seen[-1].headers["authorization"] == "Bearer hf_file"
            assert await client.shut_down() == 0
    assert not list((tmp_path / "state").glob("engine-*")), "no engine was started"


async def test_growing_text_over_progress(start: Start) -> None:
    async with FakeRemote() as fake, start() as client:
        fake.on(PATH, ONE, WRITTEN)
        await client.initialize(pro(fake))
        await client.open(URI, CODE)
        params = {**at(1, 11), "partialResultToken": "ghost"}
        result = await client.request("midfill/completion", params)
        assert result["items"][0]["insertText"] == "a + b"
        shown = [item["value"]["insertText"] for item in client.notifications("$/progress")]
        assert shown
        assert all("a + b".startswith(text) for text in shown)
        assert await client.shut_down() == 0
