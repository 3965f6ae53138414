"""`InfillBackend` against a real socket: streams, aborts, errors."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace

import pytest

from midfill_lsp.backend.base import Backend, ChatMessage, Scores, StreamEnd, WarmsUp
from midfill_lsp.backend.infill import InfillBackend
from midfill_lsp.engine_process.endpoint import FixedEngine
from midfill_lsp.errors import CannotDo, EngineGone
from midfill_lsp.fim_files import OtherFile, OtherFiles
from midfill_lsp.server import EngineControl
from midfill_lsp.server.control import KnowsItsGain
from tests.lsp.backend.fake_engine import (
    INFO,
    LAST_EVENT,
    FakeEngine,
    Reply,
    chat_event,
    event,
    infill_events,
)
from tests.lsp.backend.stream import REQUEST, collect

HELLO = (ChatMessage("user", "Hello"),)


def test_is_what_the_server_asks_for() -> None:
    backend: Backend = InfillBackend(FixedEngine("http://127.0.0.1:1"))
    assert isinstance(backend, EngineControl)


async def test_infill_streams(engine: FakeEngine, backend: InfillBackend) -> None:
    texts, end = await collect(backend.infill(REQUEST))
    assert texts == ["a", " +", " b"]
    timings = {"prompt_ms": 3.5, "predicted_ms": 5.0, "queue_ms": 0.5}
    assert end == StreamEnd("stop", 24, 3, 4, timings)
    assert engine.requests[-1].body == {
        "input_prefix": "def f(",
        "input_suffix": "):\n",
        "prompt": "",
        "n_predict": 32,
        "temperature": 0,
        "stop": ["\n"],
        "stream": True,
        "cache_prompt": True,
        "session": "window/file/typing",
    }


async def test_samples_come_with_their_index(engine: FakeEngine, backend: InfillBackend) -> None:
    events = [
        {"index": 0, "content": "a", "stop": False},
        {"index": 1, "content": "b", "stop": False},
        {**LAST_EVENT, "index": 0, "content": ""},
        {"index": 1, "content": "c", "stop": False},
        {**LAST_EVENT, "index": 1, "content": "d"},
    ]
    engine.replies["/infill"] = Reply([event(one) for one in events])
    parts = [part async for part in backend.samples(REQUEST, 2, 0.5)]
    assert [(idx, part) for idx, part in parts if isinstance(part, str)] == [
        (0, "a"),
        (1, "b"),
        (1, "c"),
        (1, "d"),
    ]
    assert [idx for idx, part in parts if isinstance(part, StreamEnd)] == [0, 1]
    body = engine.requests[0].body
    assert (body["n_cmpl"], body["temperature"]) == (2, 0.5)
    assert "session" not in body, "it would end the greedy one"


async def test_samples_that_break_off_are_an_error(
    engine: FakeEngine, backend: InfillBackend
) -> None:
    with pytest.raises(EngineGone):
        _ = [part async for part in backend.samples(REQUEST, 2, 0.5)]  # only one has an end


async def test_a_draft_is_sent_where_there_is_one(
    engine: FakeEngine, backend: InfillBackend
) -> None:
    await collect(backend.infill(replace(REQUEST, draft="a + b")))
    assert engine.requests[-1].body["draft"] == "a + b"


async def test_a_prompt_is_read_ahead_with_nothing_written(
    engine: FakeEngine, backend: InfillBackend
) -> None:
    assert isinstance(backend, WarmsUp)
    assert backend.may_warm_up()
    engine.replies["/infill"] = Reply([event({**LAST_EVENT, "content": ""})])
    await backend.warm_up(replace(REQUEST, draft="x", scored=True))
    body = engine.requests[-1].body
    assert (body["n_predict"], body["session"]) == (0, REQUEST.session)
    assert (body["input_prefix"], body["input_suffix"]) == (REQUEST.prefix, REQUEST.suffix)
    assert not {"draft", "logprobs"} & set(body)


async def test_an_engine_elsewhere_reads_nothing_ahead() -> None:
    async with aclosing(InfillBackend(FixedEngine("http://gpu.example:8400"))) as backend:
        assert not backend.may_warm_up()


async def test_scores_come_before_their_delta_where_they_are_wanted(
    engine: FakeEngine, backend: InfillBackend
) -> None:
    first = {"content": "a é", "logprobs": [[1, -0.5], [2, -1]]}
    unknown = {"content": "b", "logprobs": [{"probs": ""}]}
    engine.replies["/infill"] = Reply([event(first), event(unknown), event(LAST_EVENT)])
    async with aclosing(backend.infill(replace(REQUEST, scored=True))) as stream:
        parts = [part async for part in stream]
    assert parts[:3] == [Scores(((1, -0.5), (2, -1.0))), "a é", "b"]
    assert engine.requests[-1].body["logprobs"] is True


async def test_text_of_the_last_event_counts(engine: FakeEngine, backend: InfillBackend) -> None:
    engine.replies["/infill"] = Reply([event({**LAST_EVENT, "content": "x"})])
    texts, end = await collect(backend.infill(REQUEST))
    assert texts == ["x"]
    assert end is not None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stop_type": "eos"}, "eos"),
        ({"stop_type": "limit"}, "limit"),
        ({"stop_type": "word"}, "stop"),
        ({"stop_type": "none", "superseded": True}, "superseded"),
    ],
)
async def test_reasons(
    engine: FakeEngine, backend: InfillBackend, change: dict[str, object], reason: str
) -> None:
    engine.replies["/infill"] = Reply([event({**LAST_EVENT, **change})])
    _, end = await collect(backend.infill(REQUEST))
    assert end is not None
    assert end.reason == reason


async def test_characters_cut_by_the_network(engine: FakeEngine, backend: InfillBackend) -> None:
    stream = b"".join(infill_events("é🙂", "ß")).replace(b"\\u00e9\\ud83d\\ude42", "é🙂".encode())
    engine.replies["/infill"] = Reply([bytes([byte]) for byte in stream])
    texts, _ = await collect(backend.infill(REQUEST))
    assert texts == ["é🙂", "ß"]


async def test_first_text_comes_before_the_end(engine: FakeEngine, backend: InfillBackend) -> None:
    engine.replies["/infill"] = Reply(infill_events("a")[:1], then="hang")
    async with aclosing(backend.infill(REQUEST)) as stream:
        assert await asyncio.wait_for(anext(stream), 5) == "a"


async def test_closing_aborts_at_once(engine: FakeEngine, backend: InfillBackend) -> None:
    engine.replies["/infill"] = Reply(infill_events("a")[:1], then="hang")
    stream = backend.infill(REQUEST)
    await anext(stream)
    await asyncio.wait_for(stream.aclose(), 5)
    assert await asyncio.wait_for(engine.aborted.get(), 5) == "/infill"


async def test_cancelling_aborts(engine: FakeEngine, backend: InfillBackend) -> None:
    engine.replies["/infill"] = Reply(infill_events("a")[:1], then="hang")
    is_running = asyncio.Event()

    async def read() -> None:
        async with aclosing(backend.infill(REQUEST)) as stream:
            async for _ in stream:
                is_running.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(is_running.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.wait_for(engine.aborted.get(), 5) == "/infill"


async def test_connection_is_kept(engine: FakeEngine, backend: InfillBackend) -> None:
    for _ in range(6):
        await collect(backend.infill(REQUEST))
    assert engine.num_connections <= 2, "one more while the end of an answer is on its way"


async def test_connection_is_kept_by_who_reads_no_further_than_the_end(
    engine: FakeEngine, backend: InfillBackend
) -> None:
    # Every completion left at the end, and so lost its connection.
    for _ in range(6):
        async with aclosing(backend.infill(REQUEST)) as stream:
            async for part in stream:
                if isinstance(part, StreamEnd):
                    break
    assert engine.num_connections <= 2


async def test_an_answer_that_is_not_closed_has_ended_all_the_same(
    engine: FakeEngine, backend: InfillBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("midfill_lsp.backend.infill._REST_TIMEOUT_S", 0.01)
    for then in ("hang", "drop"):
        engine.replies["/infill"] = Reply(infill_events("a", " +", " b"), then=then)
        texts, end = await collect(backend.infill(REQUEST))
        assert texts == ["a", " +", " b"]
        assert end is not None


async def test_kept_connection_that_was_closed_is_replaced(
    engine: FakeEngine, backend: InfillBackend
) -> None:
    await collect(backend.infill(REQUEST))
    url = engine.url
    await engine.close()
    engine._server = await asyncio.start_server(  # pyright: ignore[reportPrivateUsage]
        engine._connected,  # pyright: ignore[reportPrivateUsage]
        "127.0.0.1",
        int(url.rpartition(":")[2]),
    )
    texts, _ = await collect(backend.infill(REQUEST))
    assert texts == ["a", " +", " b"]


async def test_chat_streams(engine: FakeEngine, backend: InfillBackend) -> None:
    texts, end = await collect(backend.chat(HELLO, 64))
    assert texts == ["Hello", " you"]
    assert end == StreamEnd("eos")
    body = engine.requests[-1].body
    assert body["messages"] == [{"role": "user", "content": "Hello"}]
    assert (body["max_tokens"], body["stream"]) == (64, True)
    await collect(backend.chat(HELLO, 64))
    paths = [request.path for request in engine.requests]
    assert paths.count("/info") == 1, "asked once"


async def test_chat_that_breaks_off(engine: FakeEngine, backend: InfillBackend) -> None:
    engine.replies["/v1/chat/completions"] = Reply([chat_event("Hi")])
    stream = backend.chat(HELLO, 64)
    assert await anext(stream) == "Hi"
    with pytest.raises(EngineGone, match="broke off"):
        await anext(stream)


@pytest.mark.parametrize("chat", [{}, {"chat": None}, {"chat": "none"}])
async def test_a_model_that_cannot_chat_says_so(
    engine: FakeEngine, backend: InfillBackend, chat: dict[str, object]
) -> None:
    facts = {name: value for name, value in INFO["midfill"].items() if name != "chat"}
    info = {**INFO, "midfill": {**facts, **chat}}
    engine.replies["/info"] = Reply([json.dumps(info).encode()], content_type="application/json")
    with pytest.raises(CannotDo, match="fake cannot chat"):
        await collect(backend.chat(HELLO, 64))
    assert [request.path for request in engine.requests] == ["/info"]


OTHERS = OtherFiles((OtherFile("a.py", "A = 1\n"), OtherFile("b.py", "B = 2\n")), "c.py", "work")


async def test_other_files_go_along_with_their_names(
    engine: FakeEngine, backend: InfillBackend
) -> None:
    await collect(backend.infill(replace(REQUEST, others=OTHERS)))
    body = engine.requests[-1].body
    assert body["input_extra"] == [
        {"filename": "a.py", "text": "A = 1\n"},
        {"filename": "b.py", "text": "B = 2\n"},
    ]
    assert (body["filename"], body["repo_name"]) == ("c.py", "work")


@pytest.mark.parametrize(
    ("told", "gains"),
    [
        ({"parameters": 11_000_000, "infill": {"family": "codellama", "files": False}}, False),
        ({"parameters": 11_000_000, "infill": {"family": "qwen", "files": True}}, True),
        ({"parameters": 7_000_000_000, "infill": {"family": "codellama", "files": False}}, True),
        ({}, True),
    ],
)
async def test_says_whether_its_model_gains_by_other_files(
    engine: FakeEngine, backend: InfillBackend, told: dict[str, object], gains: bool
) -> None:
    assert isinstance(backend, KnowsItsGain)
    assert backend.why_no_files() == "the engine's model is not known yet"
    info = {"model_id": "m", "midfill": told}
    engine.replies["/info"] = Reply([json.dumps(info).encode()], content_type="application/json")
    for _ in range(2):
        await collect(backend.infill(REQUEST))
    assert [request.path for request in engine.requests] == ["/info", "/infill", "/infill"]
    assert (backend.why_no_files() is None) == gains
