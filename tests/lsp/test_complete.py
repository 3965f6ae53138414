"""The completion use case over a scripted backend: cache, debounce, abort, staleness."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from midfill_lsp.backend.base import Backend, StreamEnd
from midfill_lsp.complete import Completer, CompletionRequest, Suggestion
from midfill_lsp.config import CompletionConfig
from midfill_lsp.document import Position, Snapshot, open_snapshot
from midfill_lsp.errors import EngineGone
from midfill_lsp.metrics import Metrics
from tests.fakes import FakeBackend

URI = "file:///add.py"
SECRET = "secret_name"
CODE = f"def {SECRET}(a, b):\n    return █\n\nprint(1)\n"


class World:
    """A completer and everything it is given."""

    def __init__(self, backend: FakeBackend, config: CompletionConfig | None = None) -> None:
        self.backend = backend
        self.config = config or CompletionConfig()
        self.version: int | None = 1
        self.metrics = Metrics()
        self.slept: list[float] = []
        self.asked: list[bool] = []
        self.debounce = asyncio.Event()
        self.debounce.set()
        self.completer = Completer(
            self._asking,
            lambda: self.config,
            lambda snapshot: snapshot.version == self.version,
            self.metrics,
            "window",
            self._sleep,
        )

    @contextmanager
    def _asking(self, explicit: bool) -> Generator[Backend]:
        self.asked.append(explicit)
        yield self.backend

    async def _sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        await self.debounce.wait()


def at(code: str = CODE, language_id: str = "python", explicit: bool = False) -> CompletionRequest:
    before, after = code.split("█")
    snapshot: Snapshot = open_snapshot(URI, language_id, 1, before + after, "utf-32")
    line_idx, column = snapshot.locate(snapshot.position_at(len(before)))
    return CompletionRequest("1", snapshot, line_idx, column, explicit)


async def test_asks_trims_and_closes() -> None:
    world = World(FakeBackend(["a ", "+ b", "\nfoo", "bar"]))
    partial: list[Suggestion] = []
    suggestion = await world.completer.complete(at(), partial.append)
    assert suggestion == (Suggestion("a + b", False),)
    assert partial == [Suggestion("a", False), Suggestion("a + b", False)]
    assert world.backend.num_aborted == 1  # the rest was not wanted
    (request,) = world.backend.requests
    assert request.session == f"window/{URI}/typing"
    assert (request.max_tokens, request.stop) == (48, ("\n",))
    last = world.completer.last
    assert last is not None
    assert (last.outcome, last.mode, last.cut_by, last.stream_end) == (
        "shown",
        "line",
        "line",
        "trimmed",
    )


async def test_typing_through_asks_nobody() -> None:
    world = World(FakeBackend(["a + b"]))
    await world.completer.complete(at())
    for typed in ("a", "a +", "a + "):
        suggestion = await world.completer.complete(at(CODE.replace("█", typed + "█")))
        assert suggestion == (Suggestion("a + b"[len(typed) :], False),)
    assert len(world.backend.requests) == 1
    assert len(world.slept) == 1
    assert world.metrics.outcomes == {"shown": 1, "cached": 3}
    world.completer.cache.check_integrity()


async def test_typing_against_a_suggestion_sends_it_as_the_draft() -> None:
    world = World(FakeBackend(["a + b"]))
    await world.completer.complete(at())
    await world.completer.complete(at(CODE.replace("█", "b█")))
    first, second = world.backend.requests
    assert (first.draft, second.draft) == ("", "a + b")


async def test_a_block_has_its_own_bound_and_the_documents_line_ends() -> None:
    world = World(FakeBackend(["x = 1\n", "    return x\n", "y"]))
    suggestion = await world.completer.complete(at("def f():\r\n    █\r\n"))
    assert suggestion == (Suggestion("x = 1\r\n    return x", False),)
    (request,) = world.backend.requests
    assert request.prefix == "def f():\n    "
    assert (request.max_tokens, request.stop) == (160, ())


async def test_cancel_in_the_debounce_asks_nobody() -> None:
    world = World(FakeBackend(["a"]))
    world.debounce.clear()
    task = asyncio.create_task(world.completer.complete(at()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.backend.requests == []
    assert world.metrics.outcomes == {"cancelled": 1}


async def test_a_cancelled_stream_ends_with_its_grace_period() -> None:
    world = World(FakeBackend(["a ", "+ b"], gate=asyncio.Event()))
    world.debounce.clear()  # the grace period waits for it as well
    task = asyncio.create_task(world.completer.complete(at(explicit=True)))
    await world.backend.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.backend.num_aborted == 0
    world.debounce.set()
    await world.backend.aborted.wait()
    assert world.slept == [0.5]
    assert len(world.completer.cache) == 0
    assert world.metrics.streams == {"begun": 1, "aborted_unwanted": 1}


async def test_an_explicit_request_does_not_wait() -> None:
    world = World(FakeBackend(["a"]))
    assert await world.completer.complete(at(explicit=True))
    assert world.slept == []


async def test_a_stale_result_is_kept_but_not_shown() -> None:
    world = World(FakeBackend(["a + b", ""], gate=asyncio.Event()))
    task = asyncio.create_task(world.completer.complete(at(explicit=True)))
    await world.backend.started.wait()
    world.version = 2
    assert world.backend.gate
    world.backend.gate.set()
    assert await task == ()
    suggestion = await world.completer.complete(at(CODE.replace("█", "a█")))
    assert suggestion == (Suggestion(" + b", False),)
    assert world.metrics.outcomes == {"stale": 1, "cached": 1}
    assert world.asked == [True]  # what the cache answers bothers nobody


async def test_growing_text_says_what_it_takes_the_place_of() -> None:
    world = World(FakeBackend(["a, ", "b)", ":\n"]))
    partial: list[Suggestion] = []
    suggestions = await world.completer.complete(at("def f(█)"), partial.append)
    assert suggestions == (Suggestion("a, b):", True),)
    assert partial == [Suggestion("a", False), Suggestion("a, b", False), *suggestions]


async def test_nothing_grows_in_a_document_that_has_changed() -> None:
    world = World(FakeBackend(["a ", "+ ", "b"]))
    partial: list[Suggestion] = []

    def show_and_type(suggestion: Suggestion) -> None:
        partial.append(suggestion)
        world.version = 2

    assert await world.completer.complete(at(explicit=True), show_and_type) == ()
    assert [suggestion.text for suggestion in partial] == ["a"]


async def test_a_document_that_changed_in_the_debounce_asks_nobody() -> None:
    world = World(FakeBackend(["a + b"]))
    world.version = 2
    assert await world.completer.complete(at()) == ()
    assert world.backend.requests == []
    assert world.metrics.outcomes == {"stale": 1}


async def test_an_older_request_does_not_overtake() -> None:
    world = World(FakeBackend(["a + b", " + c"], gate=asyncio.Event()))
    world.debounce.clear()
    older = asyncio.create_task(world.completer.complete(at()))
    await asyncio.sleep(0)
    newer = asyncio.create_task(world.completer.complete(at(explicit=True)))
    await world.backend.started.wait()
    world.debounce.set()
    assert await older == ()
    assert len(world.backend.requests) == 1, "the engine would have ended the newer one"
    assert world.backend.gate
    world.backend.gate.set()
    assert await newer
    assert world.metrics.outcomes == {"superseded": 1, "shown": 1}


@pytest.mark.parametrize(
    ("config", "language_id"),
    [
        (CompletionConfig(enabled=False), "python"),
        (CompletionConfig(disabled_languages=("markdown",)), "markdown"),
    ],
)
async def test_what_is_switched_off(config: CompletionConfig, language_id: str) -> None:
    world = World(FakeBackend(["a"]), config)
    assert await world.completer.complete(at(language_id=language_id)) == ()
    assert world.backend.requests == []
    assert world.completer.last
    assert world.completer.last.outcome == "disabled"


@pytest.mark.parametrize("deltas", [[], ["  ", "\n"], ["<EOT>"], ["\nprint(1)"]])
async def test_nothing_to_show(deltas: list[str]) -> None:
    world = World(FakeBackend(list(deltas)))
    assert await world.completer.complete(at()) == ()
    assert world.metrics.outcomes == {"empty": 1}
    assert len(world.completer.cache) == 0


async def test_a_superseded_stream_is_not_kept() -> None:
    world = World(FakeBackend(["a +"], end=StreamEnd("superseded")))
    assert await world.completer.complete(at()) == ()
    assert len(world.completer.cache) == 0
    assert world.metrics.outcomes == {"superseded": 1}


async def test_a_failed_backend_is_told() -> None:
    world = World(FakeBackend(["a", EngineGone("gone")]))
    with pytest.raises(EngineGone):
        await world.completer.complete(at())
    assert world.completer.last
    assert (world.completer.last.outcome, world.completer.last.detail) == ("error", "gone")


async def test_one_log_line_without_users_text(caplog: pytest.LogCaptureFixture) -> None:
    end = StreamEnd("eos", 24, 20, 4, {"prefill": 3.0})
    world = World(FakeBackend([SECRET, " + b"], end=end))
    with caplog.at_level(logging.DEBUG, "midfill_lsp"):
        await world.completer.complete(at())
    (record,) = caplog.records
    line = record.getMessage()
    assert SECRET not in line
    assert "outcome=shown" in line
    assert "prompt_tokens=24 reused_tokens=20 generated_tokens=4" in line
    assert SECRET not in repr(world.completer.last)


async def test_the_rest_of_the_line_can_be_replaced() -> None:
    world = World(FakeBackend(["a, b):", "\n    pass"]))
    suggestion = await world.completer.complete(at("def f(█)\n"))
    assert suggestion == (Suggestion("a, b):", True),)


async def test_positions_in_utf16_meet_code_points() -> None:
    snapshot = open_snapshot(URI, "python", 1, 's = "😀" + \n', "utf-16")
    line_idx, column = snapshot.locate(Position(0, 11))
    world = World(FakeBackend(["x"]))
    await world.completer.complete(CompletionRequest("1", snapshot, line_idx, column))
    assert world.backend.requests[0].prefix == 's = "😀" + '
