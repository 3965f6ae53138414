"""`SharedEngine`: found, started, shared, lost, restarted."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from midfill_lsp.backend.base import InfillRequest
from midfill_lsp.backend.infill import InfillBackend
from midfill_lsp.config import EngineConfig
from midfill_lsp.engine_process import command, lease, process, start, state
from midfill_lsp.engine_process.shared import SharedEngine
from midfill_lsp.errors import EngineGone, EngineStartError
from tests.lsp.backend.stream import collect
from tests.lsp.engine_process.conftest import Engines, until


async def test_starts_once_for_many_callers(engines: Engines) -> None:
    async with aclosing(SharedEngine(engines.config())) as engine:
        endpoints = await asyncio.gather(*(engine.endpoint() for _ in range(5)))
        assert len(set(endpoints)) == 1
        assert len(engines.pids()) == 1
        assert engine.describe() == {
            "state": "ready",
            "url": endpoints[0].url,
            "pid": engines.pids()[0],
            "model": "starter",
            "version": "0.1.0",
            "note": None,
            "reason": None,
        }


async def test_the_progress_of_a_start_is_told(engines: Engines, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with aclosing(SharedEngine(engines.config("--progress", str(gate)))) as engine:
        told: list[tuple[str, int]] = []
        loads = asyncio.Event()

        def hear(stage: str, percent: int) -> None:
            told.append((stage, percent))
            if stage == "loading":
                loads.set()

        engine.watch_progress(hear)
        opening = asyncio.create_task(engine.endpoint())
        await loads.wait()
        assert not opening.done()
        gate.touch()
        await opening
        assert told[-1] == ("loading", 43)
        # The download's last line is heard too where the log is read before the next is there.
        assert set(told) <= {("downloading", 100), ("loading", 43)}


async def test_an_engine_that_tells_its_progress_is_waited_for(
    engines: Engines, tmp_path: Path
) -> None:
    # A download of more than two minutes was ended, and begun again.
    gate = tmp_path / "gate"
    config = replace(engines.config("--progress", str(gate)), start_timeout_s=1.0)
    async with aclosing(SharedEngine(config)) as engine:
        opening = asyncio.create_task(engine.endpoint())
        await asyncio.sleep(1.5)
        assert not opening.done()
        assert start.find(config) is not None  # another editor waits for the same one
        gate.touch()
        await opening
        assert len(engines.pids()) == 1


async def test_two_editors_share_and_the_engine_ends_with_the_last(engines: Engines) -> None:
    first, second = SharedEngine(engines.config()), SharedEngine(engines.config())
    endpoints = await asyncio.gather(first.endpoint(), second.endpoint())
    assert endpoints[0] == endpoints[1]
    (pid,) = engines.pids()
    await first.aclose()
    assert await second.endpoint() == endpoints[1]
    assert process.is_alive(pid)
    await second.aclose()
    await until(lambda: not process.is_alive(pid))


async def test_another_device_is_another_engine(engines: Engines) -> None:
    one, other = (
        SharedEngine(engines.config()),
        SharedEngine(engines.config("--starts", "/dev/null")),
    )
    async with aclosing(one), aclosing(other):
        assert (await one.endpoint()).url != (await other.endpoint()).url


async def test_files_are_private_and_the_key_is_nowhere_else(
    engines: Engines, state_dir: Path
) -> None:
    async with aclosing(SharedEngine(engines.config())) as engine:
        key = (await engine.endpoint()).key
        assert key is not None
        check_private(state_dir, key, engines.pids()[0])


def check_private(state_dir: Path, key: str, pid: int) -> None:
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700
    files = list(state_dir.iterdir())
    with_key = [path.suffix for path in files if key in path.read_text()]
    assert with_key == [".key"]
    for path in files:
        assert path.suffix == ".json" or not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    arguments = Path(f"/proc/{pid}/cmdline")
    if arguments.exists():
        assert key.encode() not in arguments.read_bytes()


async def test_engine_that_was_killed_is_replaced(engines: Engines) -> None:
    backend = InfillBackend(SharedEngine(engines.config()))
    async with aclosing(backend):
        request = InfillRequest("a", "b", "s", 4)
        assert [part async for part in backend.infill(request)][:3] == ["a", " +", " b"]
        os.kill(engines.pids()[0], signal.SIGKILL)
        assert [part async for part in backend.infill(request)][:3] == ["a", " +", " b"]
        assert len(engines.pids()) == 2


async def test_loss_is_noticed_without_a_request(engines: Engines) -> None:
    async with aclosing(SharedEngine(engines.config())) as engine:
        await engine.endpoint()
        os.kill(engines.pids()[0], signal.SIGKILL)
        await until(lambda: engine.describe()["state"] == "stopped")


async def die(engine: SharedEngine, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    await until(lambda: engine.describe()["state"] != "ready")


async def test_engine_that_keeps_dying_is_given_up_for_everybody(engines: Engines) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        """Take the pause for over."""
        waited.append(seconds)
        record_file = next(engines.state_dir.glob("engine-*[0-9a-f].json"))
        record = state.read_record(record_file)
        assert record is not None
        state.write_record(record_file, replace(record, retry_at=record.started_at))

    config = engines.config()
    async with aclosing(SharedEngine(config, sleep=sleep)) as engine:
        for num_died in range(4):
            await engine.endpoint()
            await die(engine, engines.pids()[num_died])
        assert [round(seconds) for seconds in waited] == [1, 4]
        for _ in range(2):
            with pytest.raises(EngineStartError, match="died 4 times soon after its start"):
                await engine.endpoint()
        async with aclosing(SharedEngine(config)) as other:
            with pytest.raises(EngineStartError, match="left alone for 10 min"):
                await other.endpoint()
        assert len(engines.pids()) == 4
        await engine.restart()
        await engine.endpoint()
        assert len(engines.pids()) == 5


def ending_once_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file for `--linger`: it is made once somebody waits for a process to end."""
    over, wait = folder / "over", process.wait

    def waited(pid: int) -> None:
        over.touch()
        wait(pid)

    monkeypatch.setattr(process, "wait", waited)
    return over


async def test_an_engine_that_failed_and_is_still_ending_counts_as_a_crash(
    engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another was started beside it, and one that failed at every request was never given up."""
    over = ending_once_waited_for(tmp_path, monkeypatch)
    async with aclosing(SharedEngine(engines.config("--linger", str(over)))) as engine:
        await engine.endpoint()
        os.kill(engines.pids()[0], signal.SIGUSR1)
        await until(lambda: engine.describe()["state"] != "ready")
        await engine.endpoint()
        assert not process.is_alive(engines.pids()[0])
        record = state.read_record(next(engines.state_dir.glob("engine-*[0-9a-f].json")))
        assert record is not None
        assert (len(engines.pids()), record.num_crashes) == (2, 1)


async def test_an_engine_that_dies_before_it_serves_is_given_up_with_its_reason(
    engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was started again and again beside those that were ending, and nobody learnt why."""
    over = ending_once_waited_for(tmp_path, monkeypatch)
    monkeypatch.setattr(start, "PAUSES_S", (0.0, 0.0, 0.0))
    config = engines.config("--dead", "the GPU is lost", "--linger", str(over))
    async with aclosing(SharedEngine(config, retry_after_s=0.0)) as engine:
        with pytest.raises(EngineGone, match="the GPU is lost"):
            await engine.endpoint()
        with pytest.raises(EngineStartError, match=r"died 4 times .*: the GPU is lost; restart it"):
            await engine.endpoint()
    assert len(engines.pids()) == 4


async def test_a_long_life_is_no_reason_to_wait(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "SHORT_LIFE_S", 0.0)
    async with aclosing(SharedEngine(engines.config())) as engine:
        for num_died in range(5):
            await engine.endpoint()
            await die(engine, engines.pids()[num_died])
        await engine.endpoint()


async def test_another_versions_engine_is_replaced_once_nobody_uses_it(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_editor, new_editor = SharedEngine(engines.config()), SharedEngine(engines.config())
    old = await old_editor.endpoint()
    monkeypatch.setattr(command, "version", lambda: "9.9.9")
    assert await new_editor.endpoint() == old, "it is in use"
    assert "it is used as it is while other editors use it" in str(new_editor.describe()["note"])
    await new_editor.aclose()
    await old_editor.aclose()
    await until(lambda: not process.is_alive(engines.pids()[0]))
    async with aclosing(SharedEngine(engines.config())) as editor:
        assert await editor.endpoint() != old
        assert editor.describe()["note"] is None


async def test_an_unused_engine_of_another_version_makes_room(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(engines.config(), exit_when_unused_s=0.5)
    async with aclosing(SharedEngine(config)) as old_editor:
        old = await old_editor.endpoint()
    monkeypatch.setattr(command, "version", lambda: "9.9.9")
    async with aclosing(SharedEngine(config)) as editor:
        assert await editor.endpoint() != old
        first, second = engines.pids()
        assert editor.describe()["pid"] == second
        await until(lambda: not process.is_alive(first))
        assert editor.describe()["state"] == "ready"


async def test_restart(engines: Engines) -> None:
    async with aclosing(SharedEngine(engines.config())) as engine:
        before = await engine.endpoint()
        await engine.restart()
        assert not process.is_alive(engines.pids()[0])
        assert await engine.endpoint() != before


async def test_an_engine_that_is_ending_is_not_taken_for_one_that_starts(engines: Engines) -> None:
    # Another editor had restarted it, and this one was told that the engine ended without a word.
    config = engines.config()
    async with aclosing(SharedEngine(config)) as other, aclosing(SharedEngine(config)) as engine:
        before = await other.endpoint()
        record = start.find(config)
        assert record is not None
        os.unlink(record.ready_file)
        opening = asyncio.create_task(engine.endpoint())
        await until(lambda: engine.describe()["state"] == "starting")
        await asyncio.sleep(0.1)
        assert not opening.done()
        os.kill(record.pid, signal.SIGKILL)
        assert await opening != before
        assert len(engines.pids()) == 2


async def test_an_engine_that_hangs_is_ended_before_another_is_started(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "OPEN_TIMEOUT_S", 2.0)
    monkeypatch.setattr(process, "_END_TIMEOUT_S", 0.2)
    async with aclosing(SharedEngine(engines.config())) as engine:
        before = await engine.endpoint()
        (pid,) = engines.pids()
        os.kill(pid, signal.SIGSTOP)
        engine.report_gone(before.url)
        assert await engine.endpoint() != before
        assert not process.is_alive(pid)


async def test_a_request_that_waits_for_an_engine_that_hangs_ends_with_it(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "OPEN_TIMEOUT_S", 2.0)
    monkeypatch.setattr(process, "_END_TIMEOUT_S", 0.2)
    engine = SharedEngine(engines.config())
    async with aclosing(InfillBackend(engine)) as backend:
        request = InfillRequest("a", "b", "s", 4)
        await collect(backend.infill(request))
        before = await engine.endpoint()
        os.kill(engines.pids()[0], signal.SIGSTOP)
        waiting = asyncio.create_task(collect(backend.infill(request)))
        await asyncio.sleep(0)
        engine.report_gone(before.url)
        assert await engine.endpoint() != before
        texts, _ = await waiting  # of the next engine
        assert texts == ["a", " +", " b"]


async def test_start_in_advance_is_found(engines: Engines) -> None:
    start.start_early(engines.config())
    async with aclosing(SharedEngine(engines.config())) as engine:
        await engine.endpoint()
    assert len(engines.pids()) == 1


async def test_cancelled_caller_leaves_the_start_to_others(engines: Engines) -> None:
    async with aclosing(SharedEngine(engines.config())) as engine:
        impatient = asyncio.create_task(engine.endpoint())
        patient = asyncio.create_task(engine.endpoint())
        await asyncio.sleep(0)
        impatient.cancel()
        await patient
        assert impatient.cancelled()


async def test_closing_while_it_starts(engines: Engines) -> None:
    engine = SharedEngine(engines.config())
    waiting = asyncio.create_task(engine.endpoint())
    await until(lambda: engine.describe()["state"] == "starting")
    await engine.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    # Nobody waits for it any more; it comes up all the same, and is ended with the test.
    await until(lambda: len(engines.pids()) == 1)


@pytest.mark.parametrize("what", ["wrong key", "dead process", "other process", "nobody listens"])
async def test_stale_state_is_replaced(engines: Engines, what: str) -> None:
    config = engines.config()
    async with aclosing(SharedEngine(config)) as engine:
        await engine.endpoint()
        record = start.find(config)
        assert record is not None
        spoil(record, what)
        async with aclosing(SharedEngine(config)) as other:
            await other.endpoint()
        assert len(engines.pids()) == 2
        assert start.find(config) != record
        assert key_is_gone(record)


def key_is_gone(record: state.Record) -> bool:
    return not Path(record.key_file).exists()


def spoil(record: state.Record, what: str) -> None:
    ready = state.read_ready(record)
    assert ready is not None
    facts = {"pid": ready.pid, "url": ready.url, "model": ready.model, "version": "0"}
    if what == "wrong key":
        Path(record.key_file).write_text("other")
    elif what == "dead process":
        facts["pid"] = 2**22 + 1
    elif what == "other process":
        facts["pid"] = os.getpid()
    else:
        facts |= {"pid": os.getpid(), "url": "http://127.0.0.1:9"}
    Path(record.ready_file).write_text(json.dumps(facts))


@pytest.mark.parametrize("model", ["m" * 5_000, "~nobody-has-this-name/m", "m\0"])
def test_a_model_that_no_path_can_have_is_the_engines_to_refuse(model: str) -> None:
    config = replace(EngineConfig(), model=model)
    assert command.build(config, Path("ready"), Path("key")).count(model) == 1
    assert command.identity(config).startswith("engine-")
