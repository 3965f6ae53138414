"""A request for a model that is being loaded: told so, or made to wait, as the PRO API does."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from midfill_engine.config import Limits
from midfill_engine.errors import ModelError
from midfill_engine.serve import coming
from midfill_engine.serve.coming import Coming, LoadTimes
from midfill_engine.serve.generation import ClientGone
from midfill_engine.serve.parse import Bounds
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import KEY, LiveServer, serve_with
from tests.engine.serve.fakes import FakeEngine
from tests.engine.serve.loading import Loading


class Background:
    """One request on a thread."""

    def __init__(self, live: LiveServer, path: str, body: Any, **headers: str) -> None:  # noqa: ANN401
        self.replies: list[httpx.Response] = []
        self._thread = threading.Thread(target=self._ask, args=(live, path, body, headers))
        self._thread.start()

    def _ask(self, live: LiveServer, path: str, body: Any, headers: dict[str, str]) -> None:  # noqa: ANN401
        with live.client() as client:
            self.replies.append(client.post(path, json=body, headers=headers))

    def reply(self) -> httpx.Response:
        self._thread.join(30)
        return self.replies[0]


class Waits:
    """Tells when a request begins to wait, and when its client has gone."""

    def __init__(self) -> None:
        self.began, self.gone = threading.Semaphore(0), threading.Event()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    told, wait = Waits(), Coming.wait

    async def watched(self: Coming, request: Request, bounds: Bounds) -> None:
        told.began.release()
        try:
            await wait(self, request, bounds)
        except ClientGone:
            told.gone.set()
            raise

    monkeypatch.setattr(Coming, "wait", watched)
    return told


@pytest.fixture
def load(tokenizer: Tokenizer) -> Iterator[Loading]:
    loading = Loading(tokenizer)
    loading.gate.clear()
    yield loading
    loading.gate.set()


@pytest.fixture
def start(
    tokenizer: Tokenizer, start_server: Callable[..., LiveServer], load: Loading
) -> Callable[..., tuple[LiveServer, Background]]:
    """An engine that is loading owner/new until the gate opens."""

    def begin(**limits: Any) -> tuple[LiveServer, Background]:  # noqa: ANN401
        served = replace(serve_with(FakeEngine(), tokenizer), limits=Limits(**limits))
        live = start_server(served, load=load)
        loading = Background(live, "/models/load", {"model": "owner/new"})
        assert load.began.wait(30)
        return live, loading

    return begin


def test_told_in_every_dialect(start: Callable[..., tuple[LiveServer, Background]]) -> None:
    live, _ = start()
    text = "Model owner/new is currently loading"
    with live.client() as client:
        pro = client.post("/models/owner/new", json={"inputs": "a"})
        openai = client.post("/v1/completions", json={"model": "owner/new", "prompt": "a"})
        llama = client.post("/completion", json={"model": "owner/new", "prompt": "a"})
        listed = client.get("/v1/models/owner/new")
        other = client.post("/generate", json={"inputs": "a"})
    assert {reply.status_code for reply in (pro, openai, llama, listed)} == {503}
    assert 1 < pro.json()["estimated_time"] <= 20
    assert 1 < int(pro.headers["retry-after"]) <= 20
    assert (pro.json()["error"], pro.json()["error_type"]) == (text, "loading")
    error = {"message": text, "type": "unavailable_error", "param": "model"}
    assert openai.json() == {"error": {**error, "code": "model_loading"}}
    assert llama.json()["error"] == {"code": 503, "message": text, "type": "unavailable_error"}
    assert other.status_code == 200


def test_waits_and_is_answered(
    start: Callable[..., tuple[LiveServer, Background]], load: Loading, waits: Waits
) -> None:
    live, loading = start()
    wait = {"options": {"wait_for_model": True}}
    asked = [
        Background(live, "/models/owner/new", {"inputs": "a", **wait}),
        Background(live, "/models/owner/new", {"inputs": "a"}, **{"x-wait-for-model": "true"}),
        Background(
            live, "/v1/completions", {"model": "owner/new", "prompt": "a"},
            **{"x-wait-for-model": "1"},
        ),
    ]  # fmt: skip
    for _ in asked:
        assert waits.began.acquire(timeout=30)
    load.gate.set()
    assert [background.reply().status_code for background in (loading, *asked)] == [200] * 4
    assert asked[0].reply().json() == [{"generated_text": "ahi"}]
    assert len(load.engines[0].requests) == 3


def test_a_load_that_fails_ends_the_wait(
    start: Callable[..., tuple[LiveServer, Background]], load: Loading, waits: Waits
) -> None:
    live, loading = start()
    asked = Background(live, "/models/owner/new", {"inputs": "a"}, **{"x-wait-for-model": "1"})
    assert waits.began.acquire(timeout=30)
    load.error = ModelError("broken weights")
    load.gate.set()
    assert loading.reply().status_code == 422
    assert asked.reply().status_code == 404
    assert "owner/new is not loaded" in asked.reply().json()["error"]


def test_a_client_that_goes_waits_no_longer(
    start: Callable[..., tuple[LiveServer, Background]], waits: Waits
) -> None:
    live, _ = start()
    body = json.dumps({"inputs": "a", "options": {"wait_for_model": True}})
    host, port = live.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(
            f"POST /models/owner/new HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {KEY}\r\n"
            f"content-length: {len(body)}\r\n\r\n{body}".encode()
        )
        assert waits.began.acquire(timeout=30)
    assert waits.gone.wait(30)


def test_a_shutdown_ends_the_wait(
    start: Callable[..., tuple[LiveServer, Background]], waits: Waits
) -> None:
    live, _ = start()
    asked = Background(live, "/models/owner/new", {"inputs": "a"}, **{"x-wait-for-model": "1"})
    assert waits.began.acquire(timeout=30)
    live.stop()
    assert asked.reply().status_code == 503
    assert "shutting down" in asked.reply().text


def test_waiting_is_bounded(
    start: Callable[..., tuple[LiveServer, Background]], waits: Waits
) -> None:
    live, _ = start(max_concurrent=1)
    header = {"x-wait-for-model": "1"}
    Background(live, "/models/owner/new", {"inputs": "a"}, **header)
    assert waits.began.acquire(timeout=30)
    second = Background(live, "/models/owner/new", {"inputs": "a"}, **header).reply()
    assert second.status_code == 429
    assert "too many requests wait for model owner/new" in second.json()["error"]


def test_nobody_waits_for_ever(start: Callable[..., tuple[LiveServer, Background]]) -> None:
    live, _ = start(max_load_wait_s=0.0)
    asked = Background(live, "/models/owner/new", {"inputs": "a"}, **{"x-wait-for-model": "1"})
    assert asked.reply().status_code == 503
    assert asked.reply().json()["estimated_time"] > 0


def test_a_wrong_option(start: Callable[..., tuple[LiveServer, Background]]) -> None:
    live, _ = start()
    with live.client() as client:
        body = {"inputs": "a", "options": {"wait_for_model": "yes"}}
        reply = client.post("/models/owner/new", json=body)
    assert reply.status_code == 422
    assert "`wait_for_model` must be true or false" in reply.json()["error"]


async def test_the_estimate_shrinks_to_a_second() -> None:
    now = 100.0
    found = Coming("x", 5.0, lambda: now)
    assert found.refusal.estimated_s == 5.0
    now = 103.5
    assert found.refusal.estimated_s == 1.5
    now = 200.0
    assert found.refusal.estimated_s == 1.0


def test_estimates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    for folder, num_bytes in ((small, 100), (large, 300)):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(bytes(num_bytes))
    monkeypatch.setattr(coming, "_BYTES_PER_S", 100.0)
    times = LoadTimes()
    assert times.estimate(str(small)) == 2.0  # a second, and one per hundred bytes
    assert times.estimate("owner/unseen") == 20.0
    times.note(str(small), 6.0)
    assert times.estimate(str(small)) == 6.0
    assert times.estimate(str(large)) == 12.0  # three times the guess, as the last load was
    times.note("owner/unseen", 50.0)
    assert times.estimate("owner/unseen") == 50.0
    assert times.estimate(str(tmp_path / "none")) == 20.0
