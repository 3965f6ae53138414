"""Who gets the engine's key, and with it the code: whoever proves to have it already."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import aclosing
from pathlib import Path

import pytest

from midfill_lsp.engine_process import process, start, state
from midfill_lsp.engine_process.lease import Lease, LeaseRefused
from midfill_lsp.engine_process.shared import SharedEngine
from tests.lsp.backend.fake_engine import FakeEngine, Reply
from tests.lsp.engine_process.conftest import Engines

KEY = "the engine's"


async def test_a_lease_is_opened_at_the_engine_that_has_the_key() -> None:
    async with (
        FakeEngine(KEY) as engine,
        aclosing(await Lease.open(engine.url, KEY, os.getpid())) as lease,
    ):
        assert not lease.lost.is_set()
        first, second = engine.requests
        assert first.path.startswith("/proof?nonce=")
        assert "authorization" not in first.headers
        assert second.path == "/lease"
        assert engine.num_connections == 1


async def test_no_nonce_is_asked_twice() -> None:
    async with FakeEngine(KEY) as engine:
        for _ in range(2):
            await (await Lease.open(engine.url, KEY, os.getpid())).aclose()
        assert len({request.path for request in engine.requests}) == 3


@pytest.mark.parametrize(
    "answer",
    [
        None,  # signed with another key
        Reply([b'{"error": "no route"}'], 404),  # an engine of a version that proves nothing
        Reply([b'{"proof": "' + b"0" * 64 + b'"}']),
        Reply([b'{"proof": null}']),
        Reply([b'{"proof": "\xc3\xa4"}']),
        Reply([b"[]"]),
        Reply([b"nonsense"]),
        Reply([b"\xff"]),
        Reply([b" " * 5_000], then="hang"),
        Reply([b'{"proof"'], then="drop"),
    ],
)
async def test_whoever_cannot_prove_it_gets_nothing(answer: Reply | None) -> None:
    async with FakeEngine("another") as squatter:
        if answer is not None:
            squatter.replies["/proof"] = answer
        with pytest.raises(LeaseRefused):
            await Lease.open(squatter.url, KEY, os.getpid())
        (request,) = squatter.requests
        assert "authorization" not in request.headers


async def test_another_program_at_a_dead_engines_port_gets_neither_key_nor_code(
    engines: Engines,
) -> None:
    # It was sent the key, and was taken for the engine once it said the process id that it heard.
    config = engines.config()
    async with aclosing(SharedEngine(config)) as engine:
        await engine.endpoint()
        record = start.find(config)
        assert record is not None
        pid = pid_of(record)
    await asyncio.to_thread(process.end_and_wait, pid)  # it takes its files along
    async with FakeEngine(key=None) as squatter, aclosing(SharedEngine(config)) as engine:
        take_place(record, squatter)
        assert (await engine.endpoint()).url != squatter.url
        assert all(request.path.startswith("/proof") for request in squatter.requests)
        assert all("authorization" not in request.headers for request in squatter.requests)
        assert squatter.requests


def pid_of(record: state.Record) -> int:
    return int(json.loads(Path(record.ready_file).read_text())["pid"])


def take_place(record: state.Record, squatter: FakeEngine) -> None:
    """Have the files as if a process of the squatter's had the engine's id and port."""
    facts = {"pid": os.getpid(), "url": squatter.url, "model": "starter", "version": "0.1.0"}
    Path(record.ready_file).write_text(json.dumps(facts))


def test_another_users_process_is_not_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, sig: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not process.is_alive(os.getpid())
