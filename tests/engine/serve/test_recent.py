"""The PRO routes' memory of recent results."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx

from midfill_engine.config import Limits
from midfill_engine.runtime.request import Finished
from midfill_engine.serve.recent import Recent, RecentResults, request_key
from midfill_engine.serve.served import Served
from tests.engine.serve.conftest import client_of
from tests.engine.serve.fakes import FakeEngine, finished, token


def reply(size: int) -> Recent:
    return Recent(b"x" * size, {})


def test_bounded_in_replies_and_bytes() -> None:
    recent = RecentResults(3, 100)
    for name in "abcd":
        recent.put(name, reply(10))
    assert [name for name in "abcd" if recent.get(name)] == ["b", "c", "d"]
    recent.get("b")
    recent.put("e", reply(85))
    assert [name for name in "abcde" if recent.get(name)] == ["b", "e"]
    recent.put("e", reply(5))
    recent.put("f", reply(80))
    assert [name for name in "bef" if recent.get(name)] == ["b", "e", "f"]
    recent.put("g", reply(101))
    assert not any(recent.get(name) for name in "befg")
    recent.put("h", reply(100))
    assert recent.get("h") == reply(100)


def test_what_a_key_hangs_on() -> None:
    body: dict[str, Any] = {"inputs": "x", "parameters": {"top_k": 3, "seed": 1}}
    same = {"parameters": {"seed": 1, "top_k": 3}, "inputs": "x", "options": {"use_cache": True}}
    assert request_key(body, "one") == request_key(same, "one")
    assert request_key(body, "one") != request_key(body, "two")
    others: list[dict[str, Any]] = [
        {**body, "inputs": "y"},
        {**body, "parameters": {"top_k": 3}},
        {**body, "parameters": {"top_k": 3, "seed": 2}},
        {"inputs": "x"},
    ]
    assert len({request_key(other, "one") for other in (body, *others)}) == 5


async def test_a_reply_that_is_sent_again_says_so(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    body = {"inputs": "x", "parameters": {"do_sample": True, "details": True}}
    first = await client.post("/", json=body)
    again = await client.post("/", json=body)
    assert len(engine.requests) == 1
    assert again.content == first.content
    assert again.headers["x-compute-type"] == "cache"
    assert again.headers["x-inference-time"] == "0"
    for name in ("x-prompt-tokens", "x-generated-tokens", "x-compute-characters"):
        assert again.headers[name] == first.headers[name]


async def test_only_complete_replies_are_kept(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    engine.script = (token("a"), finished("error", error="out of memory"))
    assert (await client.post("/", json={"inputs": "x"})).status_code == 424
    engine.script = (token("b"), finished("length"))
    assert (await client.post("/", json={"inputs": "x"})).json() == [{"generated_text": "xb"}]
    assert isinstance(engine.script[-1], Finished)


async def test_streams_and_other_routes_remember_nothing(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    for _ in range(2):
        await client.post("/", json={"inputs": "x", "stream": True})
        await client.post("/generate", json={"inputs": "x"})
    assert len(engine.requests) == 4


async def test_without_room_nothing_is_kept(served: Served, engine: FakeEngine) -> None:
    async with client_of(replace(served, limits=Limits(recent_results=0))) as client:
        for _ in range(2):
            await client.post("/", json={"inputs": "x"})
    assert len(engine.requests) == 2
