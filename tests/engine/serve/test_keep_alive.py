"""A stream that has nothing to say yet sends comments, so that no proxy takes it for dead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from midfill_engine.config import Limits
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.chat_models import load_chat
from tests.engine.serve.conftest import LiveServer, serve_with
from tests.engine.serve.fakes import FakeEngine, finished, token

_STREAMS: list[tuple[str, dict[str, Any]]] = [
    ("/generate_stream", {"inputs": "a"}),
    ("/models/owner/tiny", {"inputs": "a", "stream": True}),
    ("/v1/completions", {"prompt": "a", "stream": True}),
]


@pytest.mark.parametrize(("path", "body"), _STREAMS)
def test_comments_until_the_first_token(
    tokenizer: Tokenizer,
    start_server: Callable[..., LiveServer],
    path: str,
    body: dict[str, Any],
) -> None:
    engine = FakeEngine()
    engine.script = None  # a prompt that takes its time, until the test lets it go on
    served = replace(serve_with(engine, tokenizer), limits=Limits(sse_keep_alive_s=0.01))
    live = start_server(served)
    with live.client() as client, client.stream("POST", path, json=body) as reply:
        lines = reply.iter_lines()
        assert [next(lines) for _ in range(6)] == [":", ""] * 3
        handle = engine.handles[0]
        handle.sink(token("x"))
        handle.ended = True
        handle.sink(finished("length"))
        rest = list(lines)
    events = [line for line in rest if line.startswith("data:")]
    assert '"x"' in events[0]
    last = max(idx for idx, line in enumerate(rest) if line.startswith("data:"))
    assert set(rest[last + 1 :]) <= {""}
    assert set(rest) - set(events) <= {":", ""}
    assert handle.num_aborts == 0


def test_comments_of_a_chat(start_server: Callable[..., LiveServer], tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.script = None
    words, chat = load_chat(tmp_path)
    served = serve_with(engine, words)
    live = start_server(replace(served, chat=chat, limits=Limits(sse_keep_alive_s=0.01)))
    body = {"messages": [{"role": "user", "content": "a"}], "stream": True}
    with live.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as reply:
        lines = reply.iter_lines()
        assert '"role":"assistant"' in next(lines)
        assert [next(lines) for _ in range(5)] == ["", ":", "", ":", ""]
    assert engine.handles[0].aborted.wait(30)


def test_no_comment_where_tokens_come(
    tokenizer: Tokenizer, start_server: Callable[..., LiveServer]
) -> None:
    live = start_server(serve_with(FakeEngine(), tokenizer))
    with live.client() as client:
        reply = client.post("/generate_stream", json={"inputs": "a"})
    assert all(line.startswith("data:") for line in reply.text.splitlines() if line)


def test_as_often_as_tgi() -> None:
    assert Limits().sse_keep_alive_s == 15.0
