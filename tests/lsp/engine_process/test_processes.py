"""Engines shared by real processes: started at once, and killed without a last word."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from midfill_lsp.backend.base import InfillRequest, StreamEnd
from midfill_lsp.backend.infill import InfillBackend
from midfill_lsp.config import EngineConfig
from midfill_lsp.engine_process import process
from midfill_lsp.engine_process.shared import SharedEngine
from tests.lsp.engine_process.conftest import Engines, until

OWNER = """
import asyncio, shlex, sys
from dataclasses import replace
from midfill_lsp.config import EngineConfig
from midfill_lsp.engine_process.shared import SharedEngine

async def main():
    config = replace(EngineConfig(), command=tuple(shlex.split(sys.argv[1])), exit_when_unused_s=0)
    engine = SharedEngine(config)
    endpoint = await engine.endpoint()
    print(endpoint.url, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await engine.aclose()

asyncio.run(main())
"""


RACER = """
import shlex, sys
from dataclasses import replace
from midfill_lsp.config import EngineConfig
from midfill_lsp.engine_process.start import find_or_start

command = tuple(shlex.split(sys.argv[1])) or None
config = replace(EngineConfig(), command=command, exit_when_unused_s=0)
print("here", flush=True)
sys.stdin.readline()
print(find_or_start(config).pid, flush=True)
"""


async def race(command: str) -> set[bytes]:
    """Start engines from ten processes at the same moment; return the ids that they got."""
    pipe = asyncio.subprocess.PIPE
    racers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", RACER, command, stdin=pipe, stdout=pipe
        )
        for _ in range(10)
    ]
    for racer in racers:
        assert await url_of(racer) == b"here\n"
    outs = await asyncio.gather(*(racer.communicate(b"\n") for racer in racers))
    return {out for out, _ in outs}


async def own(engines: Engines) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        OWNER,
        engines.command_line(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def url_of(owner: asyncio.subprocess.Process) -> bytes:
    assert owner.stdout is not None
    return await asyncio.wait_for(owner.stdout.readline(), 20)


async def leave(owner: asyncio.subprocess.Process) -> None:
    assert owner.stdin is not None
    owner.stdin.close()
    assert await asyncio.wait_for(owner.wait(), 20) == 0


async def kill(owner: asyncio.subprocess.Process) -> None:
    owner.kill()
    await asyncio.wait_for(owner.communicate(), 20)


@pytest.mark.e2e
async def test_ten_starts_at_once_make_one_engine(engines: Engines) -> None:
    (pid,) = await race(engines.command_line())
    async with aclosing(SharedEngine(engines.config())) as engine:
        await engine.endpoint()
        assert engine.describe()["pid"] == int(pid)
    assert engines.pids() == [int(pid)]


@pytest.mark.e2e
@pytest.mark.slow
async def test_ten_starts_at_once_make_one_real_engine() -> None:
    config = replace(EngineConfig(), exit_when_unused_s=0.0)
    (pid,) = await race("")
    async with aclosing(InfillBackend(SharedEngine(config))) as backend:
        request = InfillRequest("def add(a, b):\n    return ", "\n", "s", 4)
        assert [part async for part in backend.infill(request) if isinstance(part, StreamEnd)]
        assert backend.describe()["pid"] == int(pid)
    await until(lambda: not process.is_alive(int(pid)), 30)


@pytest.mark.e2e
async def test_two_processes_that_start_at_once_share_one_engine(engines: Engines) -> None:
    owners = [await own(engines) for _ in range(2)]
    urls = {await url_of(owner) for owner in owners}
    assert len(urls) == 1
    (pid,) = engines.pids()
    for owner in owners:
        await leave(owner)
    await until(lambda: not process.is_alive(pid))


@pytest.mark.e2e
async def test_engine_ends_after_its_owner_was_killed(engines: Engines) -> None:
    owner = await own(engines)
    await url_of(owner)
    (pid,) = engines.pids()
    await kill(owner)
    await until(lambda: not process.is_alive(pid))


@pytest.mark.e2e
async def test_engine_outlives_the_process_that_started_it(engines: Engines) -> None:
    first = await own(engines)
    url = await url_of(first)
    second = await own(engines)
    assert await url_of(second) == url
    await kill(first)
    third = await own(engines)
    assert await url_of(third) == url
    await leave(second)
    await leave(third)
    (pid,) = engines.pids()
    await until(lambda: not process.is_alive(pid))


async def test_is_alive(tmp_path: Path) -> None:
    pid = process.spawn_detached(
        [sys.executable, "-c", "input()"], cwd=tmp_path, env={}, log_file=tmp_path / "log"
    )
    await until(lambda: not process.is_alive(pid))
    assert "EOFError" in (tmp_path / "log").read_text()
