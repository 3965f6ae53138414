"""A private state folder, and engines that are programs of these tests."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from midfill_lsp.config import EngineConfig
from midfill_lsp.engine_process import process

PROGRAM = Path(__file__).with_name("fake_program.py")


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("MIDFILL_STATE_DIR", str(folder))
    return folder


class Engines:
    """Makes configurations, and knows the processes that were started with them."""

    def __init__(self, folder: Path) -> None:
        self.starts = folder / "starts"
        self.state_dir = folder / "state"

    def config(self, *options: str) -> EngineConfig:
        """Return a configuration whose engine is the fake program with `options`."""
        command = (sys.executable, str(PROGRAM), "--starts", str(self.starts), *options)
        return replace(EngineConfig(), command=command, exit_when_unused_s=0.0)

    def command_line(self, *options: str) -> str:
        """Return the same as one text."""
        return shlex.join(self.config(*options).command or ())

    def pids(self) -> list[int]:
        """Return the ids of all processes that became ready, in order."""
        if not self.starts.exists():
            return []
        return [int(line) for line in self.starts.read_text().split()]


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    engines = Engines(tmp_path)
    yield engines
    for pid in engines.pids():
        process.end_and_wait(pid)


async def until(is_so: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait for something outside this process that sends no event."""

    async def look() -> None:
        while True:
            if is_so():
                return
            await asyncio.sleep(0.01)

    await asyncio.wait_for(look(), timeout_s)
