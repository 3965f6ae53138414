"""A real uvicorn over a real engine thread: streams arrive as they grow, closing aborts."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from midfill_engine.errors import DeviceLost, EngineDied
from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.serve.served import Served
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.runtime.fake_runner import FakeRunner
from tests.engine.serve.conftest import AUTH, KEY, LiveServer, fed_stream, serve_with
from tests.engine.serve.fakes import FakeEngine, finished, token

INFILL = {"input_prefix": "a", "input_suffix": "b", "n_predict": 10**8, "stream": True}
STREAMS = [
    ("/infill", INFILL),
    ("/generate_stream", {"inputs": "a", "parameters": {"max_new_tokens": 10**8}}),
    ("/", {"inputs": "a", "stream": True, "parameters": {"max_new_tokens": 10**8}}),
    ("/v1/completions", {"prompt": "a", "stream": True, "max_tokens": 10**8}),
]


def _wait_idle(loop: EngineLoop, logs: pytest.LogCaptureFixture) -> None:
    """Until the engine has nothing to do; its log line is the event that is waited for."""
    waiter = threading.Event()
    for _ in range(3000):
        if loop.num_open == 0 and "outcome=" in logs.text:
            return
        waiter.wait(0.01)
    raise AssertionError("the engine still works on an abandoned request")


@pytest.mark.parametrize(("path", "body"), STREAMS)
def test_closing_a_stream_aborts(
    live: LiveServer,
    loop: EngineLoop,
    caplog: pytest.LogCaptureFixture,
    path: str,
    body: dict[str, object],
) -> None:
    caplog.set_level(logging.INFO)
    with live.client() as client, client.stream("POST", path, json=body) as reply:
        assert reply.status_code == 200
        lines = reply.iter_lines()
        assert next(lines).startswith("data: ")
    _wait_idle(loop, caplog)
    assert "outcome=aborted" in caplog.text
    assert not live.models.live.closers


@pytest.mark.parametrize("path", ["/infill", "/generate", "/", "/v1/completions"])
def test_closing_an_unanswered_request_aborts(
    live: LiveServer,
    loop: EngineLoop,
    runner: FakeRunner,
    caplog: pytest.LogCaptureFixture,
    path: str,
) -> None:
    caplog.set_level(logging.INFO)
    body = {
        **INFILL,
        "stream": False,
        "inputs": "a",
        "prompt": "a",
        "max_tokens": 10**8,
        "parameters": {"max_new_tokens": 10**8},
    }
    content = json.dumps(body)
    head = [f"POST {path} HTTP/1.1", "host: localhost", f"authorization: Bearer {KEY}"]
    head += [f"content-length: {len(content)}", "", content]
    address = ("127.0.0.1", int(live.url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall("\r\n".join(head).encode())
        assert runner.in_step.wait(30)
    _wait_idle(loop, caplog)
    assert caplog.text.count("outcome=aborted") == 1


def test_events_arrive_while_the_answer_grows(
    engine: FakeEngine, served: Served, start_server: Callable[..., LiveServer]
) -> None:
    with fed_stream(start_server(served), engine, INFILL) as (reply, handle):
        events = _events(reply)
        for text in ("a", "b"):
            handle.sink(token(text))
            assert next(events)["content"] == text
        handle.ended = True
        handle.sink(finished("length", generated=2))
        assert next(events)["stop"] is True
    assert handle.num_aborts == 0


def test_an_abandoned_stream_is_aborted_once(
    engine: FakeEngine, served: Served, start_server: Callable[..., LiveServer]
) -> None:
    live = start_server(served)
    with fed_stream(live, engine, INFILL) as (_, handle):
        pass
    assert handle.aborted.wait(30)
    live.stop()
    assert handle.num_aborts == 1


def test_overload_on_the_wire(live: LiveServer, runner: FakeRunner) -> None:
    runner.gate.clear()
    with live.client() as client:
        streams = [client.stream("POST", "/infill", json=INFILL) for _ in range(4)]
        for stream in streams:
            assert stream.__enter__().status_code == 200
        reply = client.post("/infill", json=INFILL)
        assert reply.status_code == 429
        assert reply.headers["retry-after"] == "1"
        runner.gate.set()
        for stream in streams:
            stream.__exit__(None, None, None)


def test_a_new_request_of_a_session_ends_the_old_one(live: LiveServer) -> None:
    body = {**INFILL, "session": "window/doc"}
    with live.client() as client, client.stream("POST", "/infill", json=body) as old:
        events = _events(old)
        next(events)
        new = client.post("/infill", json={**body, "n_predict": 2, "stream": False}).json()
        last = list(events)[-1]
    assert (new["stop_type"], new["tokens_predicted"]) == ("limit", 2)
    assert (last["stop_type"], last["superseded"]) == ("none", True)


def test_a_body_over_the_bound_on_the_wire(live: LiveServer) -> None:
    with live.client() as client:
        reply = client.post("/generate", content=b"x" * 2_000_001)
        assert reply.status_code == 413
        assert client.get("/health").status_code == 200


def test_shutdown_ends_streams_with_an_error_event(live: LiveServer) -> None:
    with (
        live.client() as client,
        client.stream("POST", "/generate_stream", json=STREAMS[1][1]) as reply,
    ):
        events = _events(reply)
        next(events)
        live.server.should_exit = True
        last = list(events)[-1]
    assert last["error_type"] == "incomplete_generation_stream"
    live.join()


def test_ready_file(
    tokenizer: Tokenizer, start_server: Callable[..., LiveServer], tmp_path: Path
) -> None:
    ready = tmp_path / "ready.json"
    live = start_server(serve_with(FakeEngine(), tokenizer), ready_file=ready)
    told = json.loads(ready.read_text())
    assert (told["url"], told["model"]) == (live.url, "owner/tiny")
    assert ready.stat().st_mode & 0o777 == 0o600
    live.stop()
    assert not ready.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_engine_ends_when_its_device_is_lost(
    loop: EngineLoop,
    runner: FakeRunner,
    tokenizer: Tokenizer,
    start_server: Callable[..., LiveServer],
    tmp_path: Path,
) -> None:
    """It stayed, every request failed, and nobody started another."""
    ready = tmp_path / "ready.json"
    live = start_server(serve_with(loop, tokenizer), ready_file=ready)

    def fail(_: object) -> None:
        raise DeviceLost("cuda failed: restart midfill-engine")

    runner.fail = fail
    with live.client() as client:
        reply = client.post("/infill", json={"input_prefix": "a", "input_suffix": ""})
    assert reply.status_code == 424
    assert "cuda failed: restart midfill-engine" in reply.text
    live.join()
    assert isinstance(live.failure, EngineDied)
    assert str(live.failure) == "cuda failed: restart midfill-engine"
    assert ready.exists()  # so that a language server counts a crash


def test_the_engine_ends_when_its_last_lease_closes(
    tokenizer: Tokenizer, start_server: Callable[..., LiveServer]
) -> None:
    live = start_server(serve_with(FakeEngine(), tokenizer), exit_when_unused_s=0.0)
    with live.client() as one, one.stream("GET", "/lease") as first:
        held = _events(first)  # a dropped iterator would close the stream
        assert "pid" in next(held)
        with live.client() as two, two.stream("GET", "/lease") as second:
            also_held = _events(second)
            assert "pid" in next(also_held)
        assert one.get("/health").status_code == 200
    live.join()


def test_the_engine_ends_when_no_lease_comes(
    tokenizer: Tokenizer, start_server: Callable[..., LiveServer]
) -> None:
    live = start_server(
        serve_with(FakeEngine(), tokenizer), exit_when_unused_s=60.0, first_lease_s=0.0
    )
    live.join()


def test_a_lease_ends_with_the_engine(
    tokenizer: Tokenizer, start_server: Callable[..., LiveServer]
) -> None:
    live = start_server(serve_with(FakeEngine(), tokenizer))
    with httpx.stream("GET", f"{live.url}/lease", headers=AUTH, timeout=30) as reply:
        events = _events(reply)
        next(events)
        live.server.should_exit = True
        assert list(events) == []
    live.join()


def test_the_log_has_no_user_text(live: LiveServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with live.client() as client:
        body = {"input_prefix": "SECRET", "input_suffix": "", "n_predict": 3}
        assert client.post("/infill", json=body).status_code == 200
        client.post("/infill", json={**body, "temperature": "SECRET"})
    ours = [record for record in caplog.records if record.name.startswith("midfill_engine")]
    lines = [record.getMessage() for record in ours]
    assert any("dialect=infill prompt=10 reused=" in line for line in lines)
    assert not any("SECRET" in line for line in lines)


def _events(reply: httpx.Response) -> Iterator[dict[str, object]]:
    for line in reply.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
