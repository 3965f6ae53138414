"""`InfillBackend` when the other side refuses, breaks off or talks nonsense."""

from __future__ import annotations

from typing import Literal

import pytest

from midfill_lsp.backend.infill import InfillBackend
from midfill_lsp.errors import (
    AccessDenied,
    BackendError,
    BadReply,
    EngineGone,
    NotServed,
    Overloaded,
    ServerFailed,
)
from tests.lsp.backend.fake_engine import FakeEngine, Reply, event, infill_events
from tests.lsp.backend.stream import REQUEST, collect


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (401, b'{"error": {"message": "no key"}}', AccessDenied, "no key"),
        (403, b'{"error": "wrong host", "error_type": "x"}', AccessDenied, "wrong host"),
        (429, b'{"error": {"message": "128 requests"}}', Overloaded, "128 requests"),
        (422, b'{"error": {"message": "n_predict\\n must be"}}', BadReply, "422: n_predict must"),
        (500, b"oh no", ServerFailed, "HTTP 500"),
        (500, b'{"error": {"message": "Incomplete generation: it ends"}}', EngineGone, "it ends"),
        (503, b'{"error": 3}', Overloaded, "HTTP 503"),
        (404, b'{"error": "no route"}', NotServed, "no route"),
        (400, b"x" * 200_000, BadReply, "HTTP 400"),
        (301, b"", BadReply, "HTTP 301"),
    ],
)
async def test_rejections(
    engine: FakeEngine,
    backend: InfillBackend,
    status: int,
    body: bytes,
    kind: type[BackendError],
    text: str,
) -> None:
    engine.replies["/infill"] = Reply([body] if body else [], status, "application/json")
    with pytest.raises(kind, match=text) as caught:
        await collect(backend.infill(REQUEST))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        ([event({"error": {"code": 500, "message": "out of memory"}})], "out of memory"),
        ([event({"error": "overheated", "error_type": "generation"})], "overheated"),
        ([b"data: {broken\n\n"], "no JSON object"),
        ([b"data: [1]\n\n"], "no JSON object"),
        ([b"data: \xff\n\n"], "no event stream"),
        ([event({"content": 3, "stop": False})], "no text"),
    ],
)
async def test_errors_in_the_stream(
    engine: FakeEngine, backend: InfillBackend, chunks: list[bytes], text: str
) -> None:
    engine.replies["/infill"] = Reply(infill_events("a")[:1] + chunks)
    stream = backend.infill(REQUEST)
    assert await anext(stream) == "a"
    with pytest.raises(BadReply, match=text):
        await anext(stream)


async def test_an_engine_that_ends_in_the_stream(
    engine: FakeEngine, backend: InfillBackend
) -> None:
    told = {"error": {"code": 500, "message": "Incomplete generation: the engine is shutting down"}}
    engine.replies["/infill"] = Reply([*infill_events("a")[:1], event(told)])
    stream = backend.infill(REQUEST)
    assert await anext(stream) == "a"
    with pytest.raises(EngineGone, match="shutting down"):
        await anext(stream)


@pytest.mark.parametrize("then", ["end", "drop"])
async def test_stream_that_breaks_off(
    engine: FakeEngine, backend: InfillBackend, then: Literal["end", "drop"]
) -> None:
    engine.replies["/infill"] = Reply(infill_events("a")[:1], then=then)
    stream = backend.infill(REQUEST)
    assert await anext(stream) == "a"
    with pytest.raises(EngineGone):
        await anext(stream)


@pytest.mark.parametrize("key", ["sec\nret", "s\u00e9cret", "sec\x7fret"])
async def test_a_key_that_cannot_be_sent_is_not_told(
    engine: FakeEngine, backend: InfillBackend, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    # The error of the HTTP library held it, and was shown.
    monkeypatch.setenv("MIDFILL_API_KEY", key)
    with pytest.raises(AccessDenied, match="characters that HTTP does not take") as caught:
        await collect(backend.infill(REQUEST))
    assert key not in str(caught.value)
    assert [request.path for request in engine.requests] == ["/info"]


async def test_nobody_listens(engine: FakeEngine, backend: InfillBackend) -> None:
    await engine.close()
    with pytest.raises(EngineGone, match=r"does not answer"):
        await collect(backend.infill(REQUEST))
