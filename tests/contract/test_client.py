"""Our client code sends and understands what docs/protocol.md says, against a real engine too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from midfill_lsp.backend.base import ChatMessage, InfillRequest, Scores, StreamEnd
from midfill_lsp.backend.infill import InfillBackend
from midfill_lsp.chat import Passage, Question, talk
from midfill_lsp.engine_process.endpoint import FixedEngine
from midfill_lsp.engine_process.lease import Lease, LeaseRefused
from midfill_lsp.engine_process.state import Ready, Record, read_ready
from midfill_lsp.fim_files import OtherFile, OtherFiles
from tests.contract.conftest import KEY, RealEngine, running_engine
from tests.contract.examples import shape
from tests.engine.tiny import write_tiny_model
from tests.lsp.backend.fake_engine import FakeEngine, Reply, event
from tests.lsp.backend.remotes import remote
from tests.lsp.backend.stream import REQUEST, collect

OTHERS = OtherFiles((OtherFile("a.py", "A = 1\n"),), "b.py", "work")


async def test_infill_request_has_the_documented_fields(
    page: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_API_KEY", "secret")
    documented = page["request /infill"]
    async with FakeEngine() as engine, aclosing(InfillBackend(FixedEngine(engine.url))) as backend:
        await collect(backend.infill(replace(REQUEST, others=OTHERS)))
        sent = engine.requests[-1].body
    assert set(sent) <= set(documented)
    assert {key: shape(value) for key, value in sent.items()} == {
        key: shape(documented[key]) for key in sent
    }


async def test_documented_reply_is_understood(
    page: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_API_KEY", "secret")
    reply = page["reply /infill"]
    async with FakeEngine() as engine, aclosing(InfillBackend(FixedEngine(engine.url))) as backend:
        engine.replies["/infill"] = Reply([event(reply)])
        texts, end = await collect(backend.infill(REQUEST))
    assert texts == ["a + b"]
    timings = {name: ms for name, ms in reply["timings"].items() if name.endswith("_ms")}
    assert end == StreamEnd("stop", 24, 0, 4, timings)


def test_documented_ready_file_is_understood(page: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    path.write_text(json.dumps(page["ready-file"]))
    ready = read_ready(Record(1, 0.0, str(path), "", ""))
    assert ready == Ready(4242, "http://127.0.0.1:40123", "starter", "0.1.0")


@pytest.mark.e2e
async def test_a_real_engine_proves_its_key_before_it_gets_it(real_engine: RealEngine) -> None:
    async with aclosing(await Lease.open(real_engine.url, KEY, real_engine.pid)) as lease:
        assert not lease.lost.is_set()
    with pytest.raises(LeaseRefused, match="cannot prove"):
        await Lease.open(real_engine.url, f"{KEY}-of-another", real_engine.pid)


@pytest.mark.e2e
async def test_backend_with_a_real_engine(
    real_engine: RealEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_API_KEY", KEY)
    request = InfillRequest("def add(a, b):\n    return ", "\n", "session", 8)
    async with aclosing(InfillBackend(FixedEngine(real_engine.url))) as backend:
        texts, end = await collect(backend.infill(request))
        assert end is not None
        assert end.generated_tokens is not None
        assert 0 < end.generated_tokens <= 8
        assert {"prompt_ms", "predicted_ms", "queue_ms"} <= set(end.timings_ms)
        async with aclosing(backend.infill(replace(request, scored=True))) as stream:
            parts = [part async for part in stream]
        scored = [size for part in parts if isinstance(part, Scores) for size, _ in part.tokens]
        assert sum(scored) == len("".join(part for part in parts if isinstance(part, str)))
        again, end = await collect(backend.infill(request))
        assert "".join(again) == "".join(texts)
        assert end is not None
        assert end.cached_tokens


@pytest.mark.e2e
async def test_a_prompt_that_was_read_ahead_is_in_the_cache(
    real_engine: RealEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_API_KEY", KEY)
    prefix = "".join(f"def add_{n}(a, b):\n    return a + {n}\n\n\n" for n in range(8))
    request = InfillRequest(f"{prefix}def last(a):\n", "\nprint(last(1))\n", "session", 4)
    async with aclosing(InfillBackend(FixedEngine(real_engine.url))) as backend:
        await backend.warm_up(request)
        _, end = await collect(backend.infill(replace(request, prefix=request.prefix + "    ")))
    assert end is not None
    assert end.prompt_tokens is not None
    assert end.cached_tokens is not None
    assert end.prompt_tokens - end.cached_tokens <= 4


@pytest.fixture
def chatting_engine(tmp_path: Path) -> Iterator[RealEngine]:
    model = write_tiny_model(tmp_path / "chatting", "codellama")
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
    (model / "chat_template.jinja").write_text(template)
    with running_engine(tmp_path, model) as engine:
        yield engine


@pytest.mark.e2e
async def test_chat_with_a_real_engine(
    chatting_engine: RealEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_API_KEY", KEY)
    hello = (ChatMessage("user", "Hello"),)
    url = chatting_engine.url
    async with aclosing(InfillBackend(FixedEngine(url))) as backend:
        texts, end = await collect(backend.chat(hello, 8))
    assert end is not None
    assert "".join(texts) or end.reason == "eos"  # as the random model's sample has it
    assert end.reason in {"eos", "limit"}
    key: dict[str, Any] = {"token_source": "variable", "token_variable": "MIDFILL_API_KEY"}
    async with aclosing(remote("tgi", url, **key)) as backend:
        texts, end = await collect(backend.chat(hello, 8))
        assert end is not None
        assert "".join(texts) or end.reason == "eos"
        assert (await backend.find_out()).chat == "messages"
        told: list[str] = []
        turns = (ChatMessage("user", "x " * 400), ChatMessage("assistant", "y " * 400))
        code = Passage("a.py", "python", "x = 1\n")
        context = await backend.chat_context()
        assert context is not None
        question = Question((*turns * 4, ChatMessage("user", "/explain")), (code,))
        answer = await talk(backend, question, told.append, 8)
        assert answer.content == (told[-1] if told else "")
        assert answer.end.reason in {"eos", "limit"}
        assert any("oldest messages did not fit" in note for note in answer.notes)
