"""What takes long runs in threads: the loop stays free, and the choice of before goes along."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from midfill_lsp.config import ContextConfig
from midfill_lsp.context import Finder, Found, Gate, Workspace
from midfill_lsp.context import ranking as ranking_module
from midfill_lsp.context import reading as reading_module
from midfill_lsp.context.choose import Choice, hold
from midfill_lsp.context.index import walk
from midfill_lsp.context.score import rank
from midfill_lsp.context.secret_lines import SecretLines
from midfill_lsp.document import Snapshot, open_snapshot
from midfill_lsp.syntax import Grammars

ALPHA, BETA = "def alpha_function(count): ...\n", "def beta_function(count): ...\n"
ON_ALPHA, ON_BETA = "alpha_function(\n", "alpha_function(\nbeta_function(\n"


class World:
    """A finder over open documents."""

    def __init__(self, top: Path) -> None:
        self.documents: dict[str, Snapshot] = {}
        self.config = ContextConfig(budget_ms=1000)
        self.lines = SecretLines()
        self.gate = Gate(lambda: self.config, Workspace([top]), self.lines)
        self.finder = Finder(
            lambda: self.config, Workspace([top]), self.gate, self.documents, Grammars()
        )
        for name, text in (("a.py", ALPHA), ("b.py", BETA), ("main.py", "x = 1\n" * 90)):
            uri = (top / name).as_uri()
            self.documents[uri] = open_snapshot(uri, "python", 1, text, "utf-8")
        self.main = self.documents[uri]

    async def find(self, prefix: str) -> Found:
        return await self.finder.find(self.main, prefix.count("\n"), prefix, "", "local")

    async def settled(self, prefix: str) -> list[str]:
        """Ask until the choice is the one for this line."""
        for _ in range(2):  # what was under way may have been for another line
            await self.find(prefix)
            await self.finder.idle()
        return [file.name for file in (await self.find(prefix)).files]


@asynccontextmanager
async def finding(top: Path) -> AsyncGenerator[World]:
    world = World(top)
    try:
        yield world
    finally:
        await world.finder.aclose()


class Held:
    """A function that waits, in its thread, until it is let go."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._may_go = threading.Event()
        self.was_called = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self, *args: Any, **named: Any) -> Any:  # noqa: ANN401  # as the function's
        assert threading.current_thread() is not threading.main_thread()
        self._loop.call_soon_threadsafe(self.was_called.set)
        self._may_go.wait()
        return self._function(*args, **named)

    def let_go(self) -> None:
        self._may_go.set()


async def test_the_last_choice_goes_along_until_the_new_one_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with finding(tmp_path) as world:
        assert await world.settled(ON_ALPHA) == ["a.py"]
        held = Held(rank)
        monkeypatch.setattr(ranking_module, "rank", held)
        far = "\n" * 60 + ON_BETA.replace("alpha", "gamma")
        found = await world.find(far)  # while `rank` waits
        await held.was_called.wait()
        assert ([file.name for file in found.files], found.waited_ms) == (["a.py"], 0)
        assert [file.name for file in (await world.find(far)).files] == ["a.py"]
        held.let_go()
        assert await world.settled(far) == ["b.py"]


async def test_the_first_request_waits_no_longer_than_its_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with finding(tmp_path) as world:
        world.config = ContextConfig(budget_ms=0)
        held = Held(rank)
        monkeypatch.setattr(ranking_module, "rank", held)
        assert (await world.find(ON_ALPHA)).files == ()
        await held.was_called.wait()
        assert (await world.find(ON_ALPHA)).files == ()
        held.let_go()
        assert await world.settled(ON_ALPHA) == ["a.py"]


async def test_all_that_is_long_is_done_in_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, set[bool]] = {}

    def watched(module: object, name: str) -> None:
        function = getattr(module, name)

        def call(*args: Any, **named: Any) -> Any:  # noqa: ANN401  # as the function's
            is_main = threading.current_thread() is threading.main_thread()
            threads.setdefault(name, set()).add(is_main)
            return function(*args, **named)

        monkeypatch.setattr(module, name, call)

    for name in ("query_of", "rank", "best", "hold"):
        watched(ranking_module, name)
    watched(reading_module, "pool_of")
    async with finding(tmp_path) as world:
        watched(world.lines, "_scan")
        assert await world.settled(ON_ALPHA) == ["a.py"]
        assert set(threads) == {"query_of", "rank", "best", "hold", "pool_of", "_scan"}
        assert {is_main for found in threads.values() for is_main in found} == {False}


async def test_what_is_forgotten_on_the_way_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with finding(tmp_path) as world:
        held = Held(hold)
        monkeypatch.setattr(ranking_module, "hold", held)
        asking = asyncio.ensure_future(world.find(ON_ALPHA))
        await held.was_called.wait()
        world.config = ContextConfig(deny=("a.py",))
        world.finder.reset()
        held.let_go()
        assert (await asking).files == ()
        assert await world.settled(ON_ALPHA) == []


async def test_a_choice_that_fails_is_counted_and_hangs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Choice:
        raise ZeroDivisionError

    monkeypatch.setattr(ranking_module, "hold", fails)
    async with finding(tmp_path) as world:
        assert (await world.find(ON_ALPHA)).files == ()
        assert world.finder.failures == {"choice": 1}


async def test_a_walk_that_is_asked_for_while_one_runs_comes_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with finding(tmp_path) as world:
        held = Held(walk)
        monkeypatch.setattr("midfill_lsp.context.live_index.walk", held)
        first = world.finder.start()
        await held.was_called.wait()
        (tmp_path / "late.py").write_text("x = 1\n", "utf-8")
        assert world.finder.start() is first
        held.let_go()
        await first
        await world.finder.idle()
        assert world.finder.num_files == 1
