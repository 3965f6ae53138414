"""The engine answers as docs/protocol.md says: same keys, same types."""

from __future__ import annotations

import json
import stat
from typing import Any

import httpx
import pytest

from tests.contract.conftest import RealEngine
from tests.contract.examples import shape

pytestmark = pytest.mark.e2e


def events(body: str) -> list[dict[str, Any]]:
    lines = [line for line in body.splitlines() if line]
    assert all(line.startswith("data: ") for line in lines)
    return [json.loads(line[6:]) for line in lines]


def test_ready_file(real_engine: RealEngine, page: dict[str, Any]) -> None:
    assert shape(real_engine.ready) == shape(page["ready-file"])
    assert real_engine.ready["pid"] == real_engine.pid
    assert stat.S_IMODE(real_engine.ready_file.stat().st_mode) == 0o600


async def test_infill(client: httpx.AsyncClient, page: dict[str, Any]) -> None:
    reply = await client.post("/infill", json=page["request /infill"])
    assert reply.status_code == 200
    body = reply.json()
    assert shape({**body, "tokens": [0], "stopping_word": ""}) == shape(page["reply /infill"])
    assert shape(body["tokens"]) in (["number"], [])
    assert body["stop_type"] in {"eos", "limit", "word"}


async def test_infill_stream(client: httpx.AsyncClient, page: dict[str, Any]) -> None:
    plain = (await client.post("/infill", json=page["request /infill"])).json()
    request = {**page["request /infill"], "stream": True}
    reply = await client.post("/infill", json=request)
    assert reply.headers["content-type"].startswith("text/event-stream")
    *deltas, last = events(reply.text)
    for delta in deltas:
        assert set(delta) == {"index", "content", "tokens", "stop"}
        assert delta["stop"] is False
    assert last["stop"] is True
    assert set(last) == set(page["reply /infill"])
    assert "".join(event["content"] for event in (*deltas, last)) == plain["content"]


async def test_newer_request_of_a_session_supersedes(
    client: httpx.AsyncClient, page: dict[str, Any]
) -> None:
    long: dict[str, Any] = {**page["request /infill"], "stream": True, "n_predict": -1, "stop": []}
    async with client.stream("POST", "/infill", json=long) as running:
        lines = running.aiter_lines()
        await anext(lines)
        await client.post("/infill", json={**page["request /infill"], "n_predict": 1})
        rest = [json.loads(line[6:]) async for line in lines if line]
    # The tiny model may have reached its end first; then nothing is left to supersede.
    assert rest[-1]["stop"] is True
    if rest[-1]["stop_type"] == "none":
        assert rest[-1]["superseded"] is True


async def test_generate(client: httpx.AsyncClient, page: dict[str, Any]) -> None:
    request = page["request /generate"]
    reply = (await client.post("/generate", json=request)).json()
    assert isinstance(reply["generated_text"], str)
    assert reply["details"]["generated_tokens"] <= request["parameters"]["max_new_tokens"]
    listed = (await client.post("/", json=request)).json()
    assert isinstance(listed, list)
    *_, last = events((await client.post("/generate_stream", json=request)).text)
    assert last["generated_text"] == reply["generated_text"]
    assert last["details"]["finish_reason"] in {"length", "eos_token", "stop_sequence"}


async def test_chat(client: httpx.AsyncClient, page: dict[str, Any]) -> None:
    request = {**page["request /v1/chat/completions"], "model": "tiny"}
    reply = (await client.post("/v1/chat/completions", json=request)).json()
    assert shape(reply) == shape(page["reply /v1/chat/completions"])
    assert reply["choices"][0]["finish_reason"] in {"stop", "length"}
    streamed = await client.post("/v1/chat/completions", json={**request, "stream": True})
    *chunks, done = streamed.text.split("\n\n")[:-1]
    assert done == "data: [DONE]"
    deltas = [json.loads(chunk[6:])["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0]["role"] == "assistant"
    text = "".join(delta.get("content", "") for delta in deltas)
    assert text == reply["choices"][0]["message"]["content"]


async def test_health_and_info_need_no_key(real_engine: RealEngine) -> None:
    async with httpx.AsyncClient(base_url=real_engine.url, trust_env=False) as stranger:
        assert (await stranger.get("/health")).json() == {"status": "ok"}
        facts = (await stranger.get("/info")).json()["midfill"]
    assert set(facts) == {
        "architecture",
        "parameters",
        "dtype",
        "dtype_reason",
        "device",
        "attention",
        "kernels",
        "speculation",
        "memory",
        "chat",
        "infill",
        "version",
    }
    assert set(facts["infill"]) == {
        "family",
        "orders",
        "order",
        "heal",
        "line_start",
        "files",
        "max_tokens",
    }


async def test_lease_names_the_process(client: httpx.AsyncClient, real_engine: RealEngine) -> None:
    async with client.stream("GET", "/lease") as lease:
        async for line in lease.aiter_lines():
            assert json.loads(line.removeprefix("data: ")) == {
                "pid": real_engine.pid,
                "leases": 1,
            }
            break


@pytest.mark.parametrize(
    ("method", "path", "change", "status"),
    [
        ("POST", "/infill", {"headers": {"Authorization": "Bearer wrong"}}, 401),
        ("POST", "/infill", {"headers": {"Host": "evil.example"}}, 403),
        ("POST", "/infill", {"headers": {"Origin": "https://evil.example"}}, 403),
        ("GET", "/nonsense", {}, 404),
        ("GET", "/infill", {}, 405),
        ("POST", "/infill", {"content": b"x" * 2_100_000}, 413),
        ("POST", "/infill", {"content": b"{"}, 422),
        ("POST", "/infill", {"json": {"input_prefix": "a"}}, 422),
        ("POST", "/infill", {"json": {"input_prefix": 3, "input_suffix": ""}}, 422),
        ("GET", "/lease", {"headers": {"Authorization": ""}}, 401),
        ("POST", "/generate", {"json": {"inputs": "a", "parameters": {"best_of": 2}}}, 422),
        ("POST", "/v1/completions", {"json": {"prompt": [["a"]]}}, 422),
    ],
)
async def test_rejections(
    client: httpx.AsyncClient, method: str, path: str, change: dict[str, Any], status: int
) -> None:
    reply = await client.request(method, path, **change)
    assert reply.status_code == status
    error = reply.json()["error"]
    if path in {"/infill", "/lease"} and status == 422:
        assert set(error) == {"code", "message", "type"}
        assert error["code"] == status
    elif path.startswith("/v1"):
        assert set(error) == {"message", "type", "param", "code"}
    elif path == "/generate":
        assert isinstance(error, str)
        assert reply.json()["error_type"] == "validation"
