"""Key, Host, Origin, unknown routes, wrong methods, large bodies: refused, in JSON."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from midfill_engine.config import Limits
from midfill_engine.serve.registry import Models
from midfill_engine.serve.served import Served
from tests.engine.serve.conftest import client_of
from tests.engine.serve.fakes import FakeEngine


@pytest.mark.parametrize("path", ["/health", "/info"])
async def test_open_routes(served: Served, path: str) -> None:
    async with client_of(served) as client:
        del client.headers["authorization"]
        assert (await client.get(path)).status_code == 200
        assert (await client.post(path)).status_code == 401


@pytest.mark.parametrize("path", ["/generate", "/", "/models/x", "/v1/completions", "/infill"])
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", "Basic test-key", "test-key"])
async def test_the_key_is_needed(
    served: Served, engine: FakeEngine, path: str, header: str | None
) -> None:
    async with client_of(served) as client:
        del client.headers["authorization"]
        headers = {} if header is None else {"authorization": header}
        reply = await client.post(path, json={}, headers=headers)
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    error = reply.json()["error"]
    text = error if isinstance(error, str) else error["message"]
    assert "Authorization: Bearer KEY" in text
    assert not engine.requests


async def test_no_key_is_needed_without_auth(served: Served) -> None:
    async with client_of(served, api_key=None) as client:
        del client.headers["authorization"]
        reply = await client.post("/generate", json={"inputs": "x"})
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:80", 200),
        ("localhost:8793", 200),
        ("LOCALHOST", 200),
        ("[::1]:80", 200),
        ("127.3.2.1", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:80", 403),
        ("10.0.0.5", 403),
        ("", 403),
    ],
)
async def test_the_host_must_be_ours(served: Served, host: str, status: int) -> None:
    async with client_of(served) as client:
        assert (await client.get("/health", headers={"host": host})).status_code == status


async def test_bound_to_every_address_names_are_still_foreign(served: Served) -> None:
    from midfill_engine.serve.app import build_app

    transport = httpx.ASGITransport(build_app(Models([served]), host="0.0.0.0", api_key="k"))
    async with httpx.AsyncClient(transport=transport, base_url="http://10.0.0.5") as client:
        assert (await client.get("/health")).status_code == 200
        headers = {"host": "evil.example"}
        assert (await client.get("/health", headers=headers)).status_code == 403


async def test_origins(served: Served) -> None:
    headers = {"origin": "https://page.example"}
    async with client_of(served) as client:
        reply = await client.post("/infill", json={}, headers=headers)
        assert reply.status_code == 403
        assert "'https://page.example'" in reply.json()["error"]["message"]
        assert "--allow-origin" in reply.json()["error"]["message"]
        reply = await client.get("/health", headers={"origin": "null"})
        assert reply.status_code == 403
        assert "has no origin that could be let in" in str(reply.json()["error"])
    async with client_of(served, allow_origins=["https://page.example"]) as client:
        body = {"inputs": "x"}
        reply = await client.post("/generate", json=body, headers=headers)
        assert reply.status_code == 200
        assert reply.headers["access-control-allow-origin"] == "https://page.example"
        asks = {**headers, "access-control-request-method": "POST"}
        asks["access-control-request-headers"] = "authorization, content-type, x-stainless-os"
        assert (await client.options("/generate", headers=asks)).status_code == 200
        other = {"origin": "https://other.example"}
        assert (await client.post("/generate", json=body, headers=other)).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status", "error_type"),
    [
        ("GET", "/nope", 404, "not_found"),
        ("POST", "/generate/", 404, "not_found"),
        ("GET", "/generate", 405, "method_not_allowed"),
        ("PUT", "/", 405, "method_not_allowed"),
        ("GET", "/v1/nope", 404, None),
        ("GET", "/v1/completions", 405, None),
        ("GET", "/infill", 405, None),
        ("POST", "/lease", 405, None),
        ("OPTIONS", "/", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/chat/completions", 405, None),
        ("TRACE", "/models/owner/tiny", 405, "method_not_allowed"),
        ("GET", "/models/owner/tiny/v1/nope", 405, None),
    ],
)
async def test_unknown_routes_and_methods(
    client: httpx.AsyncClient, method: str, path: str, status: int, error_type: str | None
) -> None:
    reply = await client.request(method, path)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/json"
    assert reply.json().get("error_type") == error_type
    if status == 405:
        assert reply.headers["allow"]
    if path.startswith("/infill"):
        assert reply.json()["error"]["code"] == 405


@pytest.mark.parametrize("path", ["/", "/health", "/info", "/v1/models", "/metrics"])
async def test_head_is_get_without_a_body(client: httpx.AsyncClient, path: str) -> None:
    reply = await client.head(path)
    assert (reply.status_code, reply.content) == (200, b"")


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "", "nonsense"])
async def test_the_content_type_is_not_looked_at(client: httpx.AsyncClient, kind: str) -> None:
    """As curl sends a form's where nobody says otherwise."""
    for path in ("/", "/generate", "/v1/completions"):
        body = b'{"inputs": "x", "prompt": "x"}'
        reply = await client.post(path, content=body, headers={"content-type": kind})
        assert reply.status_code == 200


async def test_large_bodies(served: Served) -> None:
    small = replace(served, limits=Limits(max_body_bytes=1000))

    async def chunks() -> object:
        for _ in range(20):
            yield b"x" * 100

    async with client_of(small) as client:
        for path in ("/generate", "/v1/completions", "/infill"):
            reply = await client.post(path, content=b"x" * 1001)
            assert reply.status_code == 413
            assert "1000 bytes" in reply.text
        reply = await client.post("/generate", content=chunks())  # type: ignore[arg-type]  # an async iterator
        assert reply.status_code == 413


async def test_health_after_the_engine_died(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    assert (await client.get("/health")).json() == {"status": "ok"}
    engine.alive = False
    reply = await client.get("/health")
    assert reply.status_code == 503
    assert reply.json()["error_type"] == "healthcheck"
    assert "it broke: restart midfill-engine" in reply.json()["error"]


async def test_info(client: httpx.AsyncClient) -> None:
    info = (await client.get("/info")).json()
    assert info["model_id"] == "owner/tiny"
    assert info["max_client_batch_size"] == Limits().max_prompts
    assert info["max_total_tokens"] == 200
    assert info["midfill"]["infill"] == {
        "family": "codellama",
        "orders": ["spm", "psm"],
        "order": "spm",
        "heal": False,
        "line_start": "prefix",
        "files": False,
        "max_tokens": 200,
    }
