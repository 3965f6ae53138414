"""The language server's remote dialects against the project's own engine, which speaks them."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest

from midfill_lsp.backend.base import ChatMessage, InfillRequest
from midfill_lsp.config import BackendKind
from midfill_lsp.errors import AccessDenied, BadReply
from tests.contract.conftest import KEY, RealEngine
from tests.contract.examples import shape
from tests.lsp.backend.fake_remote import FakeRemote, sse, token_event
from tests.lsp.backend.remotes import remote
from tests.lsp.backend.stream import collect
from tests.lsp.test_remote_server import Start, at, pro, start

__all__ = ["start"]

pytestmark = pytest.mark.e2e

REQUEST = InfillRequest("def add(a, b):\n    return ", "\n\nadd(1, 2)\n", "session", 8)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """How to get past the engine's door."""
    monkeypatch.setenv("ENGINE_KEY", KEY)
    monkeypatch.setenv("MIDFILL_API_KEY", KEY)
    return {"token_source": "variable", "token_variable": "ENGINE_KEY"}


@pytest.mark.parametrize(
    ("kind", "way"), [("tgi", "text"), ("openai", "native")], ids=["tgi", "openai"]
)
async def test_the_engine_fills_holes_in_every_dialect(
    real_engine: RealEngine, settings: dict[str, Any], kind: BackendKind, way: str
) -> None:
    async with aclosing(remote(kind, real_engine.url, **settings)) as backend:
        texts, end = await collect(backend.infill(REQUEST))
        can = await backend.find_out()
    assert end is not None
    assert "<" not in "".join(texts)
    assert can.infill == way
    assert can.streaming
    if kind == "tgi":
        assert can.family == "codellama"
        assert can.context_tokens


async def test_a_wrong_key_is_refused(real_engine: RealEngine, settings: dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ENGINE_KEY", "wrong")
        async with aclosing(remote("tgi", real_engine.url, **settings)) as backend:
            with pytest.raises(AccessDenied, match="refused the token of the variable ENGINE_KEY"):
                await collect(backend.infill(REQUEST))


async def test_what_the_engine_refuses_is_told(
    real_engine: RealEngine, settings: dict[str, Any]
) -> None:
    async with aclosing(remote("tgi", real_engine.url, **settings)) as backend:
        await backend.start()
        with pytest.raises(BadReply, match="max_new_tokens"):
            await collect(backend.infill(InfillRequest("a", "b", "s", 0)))


async def test_chat_by_a_format_set_by_hand(
    real_engine: RealEngine, settings: dict[str, Any]
) -> None:
    chosen: dict[str, Any] = {**settings, "chat_format": "llama2"}
    async with aclosing(remote("tgi", real_engine.url, **chosen)) as backend:
        _, end = await collect(backend.chat((ChatMessage("user", "Hello"),), 8))
    assert end is not None


async def test_the_editor_is_asked_for_a_token_as_documented(
    page: dict[str, Any], start: Start
) -> None:
    asked: list[object] = []

    def answer(params: object) -> object:
        asked.append(params)
        return page["reply midfill/token"]

    async with FakeRemote() as fake, start() as client:
        model_path = "/models/codellama/CodeLlama-7b-hf"
        fake.on(model_path, sse(token_event("a", "eos_token")))
        client.answers["midfill/token"] = answer
        await client.initialize(pro(fake))
        await client.open("file:///add.py", "x = \n")
        await client.request("textDocument/inlineCompletion", at(0, 4))
        assert (
            fake.seen[-1].headers["authorization"]
            == f"Bearer {page['reply midfill/token']['token']}"
        )
        assert await client.shut_down() == 0
    (params,) = asked
    assert shape(params) == shape(page["request midfill/token"])
