"""What the backend's failures are taken for, without an editor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

import pytest
from lsprotocol import types

from midfill_lsp.backend.base import InfillRequest, StreamEnd
from midfill_lsp.complete.candidates import sample
from midfill_lsp.complete.gather import Question
from midfill_lsp.config import Config, EngineConfig
from midfill_lsp.errors import (
    BackendError,
    BadReply,
    CannotDo,
    EngineGone,
    EngineStartError,
    Overloaded,
    RequestSkipped,
)
from midfill_lsp.prompt import build
from midfill_lsp.server.engine import EngineWatch
from midfill_lsp.server.loading import Loading
from midfill_lsp.server.notices import Notices, State
from midfill_lsp.trim import describe
from tests.fakes import FakeBackend

_Result = TypeVar("_Result")


class FakeNotices(Notices):
    """Keeps what would be said."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.states: list[State] = []
        self.progress: list[int | None] = []
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    def tell_once(self, cause: str, text: str, severity: types.MessageType) -> None:
        self.messages.append(text)

    async def with_progress(self, title: str, work: Awaitable[_Result]) -> _Result:
        self.begun.set()
        try:
            return await work
        finally:
            self.ended.set()

    def forget(self, cause: str) -> None:
        pass

    def status(
        self, state: State, reason: str | None, cause: str | None, progress: int | None
    ) -> None:
        self.states.append(state)
        self.progress.append(progress)


def watch() -> tuple[EngineWatch, FakeNotices]:
    notices = FakeNotices()
    return EngineWatch(lambda _config: FakeBackend(), Config(), notices), notices


def told(engine: EngineWatch) -> str:
    state, reason = engine.state
    return f"{state}: {reason}" if reason else state


def ask(
    engine: EngineWatch, error: BackendError | None = None, config: Config | None = None
) -> None:
    """Run one automatic request, with new settings or a failure in its middle."""
    with engine.asking(explicit=False):
        if config is not None:
            engine.reconfigure(config)
        if error is not None:
            raise error


async def test_samples_that_fail_say_nothing_of_the_backend() -> None:
    # The status became an error, though the suggestion beside them was on the screen.
    class Failing(FakeBackend):
        async def samples(
            self, request: InfillRequest, num_samples: int, temperature: float
        ) -> AsyncGenerator[tuple[int, str | StreamEnd], None]:
            yield 0, "a"
            raise EngineGone("the engine's answer broke off")

    notices = FakeNotices()
    engine = EngineWatch(lambda _config: Failing(), Config(), notices)
    ask_for = InfillRequest("x = ", "", "session", 8)
    question = Question(build(["x = "], 0, 4, 100, 100), describe("x = ", "", "python"), ask_for)
    assert await sample(engine.asking, question, 2) == []
    assert told(engine) == "ready"
    assert notices.messages == []
    ask(engine)  # nor is the backend left alone for it
    await engine.aclose()


async def test_a_model_that_cannot_chat_is_no_error_of_the_backend() -> None:
    # The status became an error, and a message came beside the reply, though completions went on.
    engine, notices = watch()
    with pytest.raises(CannotDo), engine.asking(is_chat=True):
        raise CannotDo("starter cannot chat")
    assert told(engine) == "ready"
    assert notices.messages == []
    with pytest.raises(CannotDo), engine.asking():
        raise CannotDo("no infill here")
    assert told(engine) == "error: no infill here"
    await engine.aclose()


async def test_a_replaced_backends_failure_says_nothing_of_the_new_one() -> None:
    # Changing the engine's settings during a request showed an error until the next one.
    engine, _notices = watch()
    with pytest.raises(EngineGone):
        ask(engine, EngineGone("closed"), Config(engine=EngineConfig(model="other")))
    assert told(engine) == "ready"
    await engine.aclose()


async def test_automatic_requests_leave_a_failed_engine_alone_for_a_while() -> None:
    engine, notices = watch()
    with pytest.raises(EngineStartError):
        ask(engine, EngineStartError("no model"))
    with pytest.raises(BackendError, match="not tried again yet: no model"):
        ask(engine)
    assert told(engine) == "error: no model"
    with engine.asking(explicit=True):
        pass
    assert told(engine) == "ready"
    ask(engine)
    assert notices.messages == ["no model"]


async def test_a_lost_engine_is_asked_again_at_once() -> None:
    engine, notices = watch()
    with pytest.raises(EngineGone):
        ask(engine, EngineGone("gone"))
    assert told(engine) == "error: gone"
    ask(engine)
    assert told(engine) == "ready"
    assert notices.messages == []


async def test_a_server_that_names_a_time_is_left_alone_by_all() -> None:
    engine, notices = watch()
    with pytest.raises(Overloaded):
        ask(engine, Overloaded("busy", retry_after_s=1000.0))
    for explicit in (False, True):
        with (
            pytest.raises(BackendError, match="not tried again yet: busy"),
            engine.asking(explicit=explicit),
        ):
            pass
    engine.reconfigure(Config(engine=EngineConfig(model="other")))
    ask(engine)
    assert notices.messages == ["busy"]
    await engine.aclose()


async def test_a_skipped_request_is_no_failure() -> None:
    engine, notices = watch()
    with pytest.raises(RequestSkipped), engine.asking(explicit=False):
        raise RequestSkipped("a sentinel")
    assert told(engine) == "ready"
    ask(engine)
    assert notices.messages == []


async def test_refusals_are_left_alone_for_a_while() -> None:
    engine, _notices = watch()
    with pytest.raises(BadReply):
        ask(engine, BadReply("422"))
    with pytest.raises(BackendError, match="not tried again yet: 422"):
        ask(engine)


OnLoading = Callable[[str, asyncio.Task[Any], "float | None"], None]


class LoadingBackend(FakeBackend):
    """A backend whose server loads its model when the test says so."""

    load: OnLoading

    def watch_loading(self, on_loading: OnLoading) -> None:
        self.load = on_loading


@pytest.mark.parametrize("error", [None, BadReply("it broke")])
async def test_loading_is_shown_until_it_ends(error: BackendError | None) -> None:
    notices, backend = FakeNotices(), LoadingBackend()
    engine = EngineWatch(lambda _config: backend, Config(), notices)
    gate = asyncio.Event()

    async def load() -> None:
        await gate.wait()
        if error is not None:
            raise error

    loading = asyncio.create_task(load())
    backend.load("Loading it", loading, None)
    await notices.begun.wait()
    assert told(engine) == "starting: Loading it"
    gate.set()
    await asyncio.wait([loading])
    await notices.ended.wait()
    await asyncio.sleep(0)
    assert told(engine) == ("ready" if error is None else "error: it broke")
    assert notices.messages == ([] if error is None else ["it broke"])
    await engine.aclose()


class Clock:
    """A clock that is set."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def test_a_servers_estimate_becomes_a_share_of_it() -> None:
    clock, changed = Clock(), asyncio.Event()
    loading = Loading(changed.set, clock)
    shown = asyncio.create_task(loading.estimate("Loading it", 20.0))
    for now_s, percent in ((0.0, 0), (8.6, 43), (60.0, 99)):
        clock.now_s = now_s
        await changed.wait()
        changed.clear()
        assert (loading.reason, loading.percent) == (f"Loading it: {percent} %", percent)
    shown.cancel()
    loading.show(None)
    assert (loading.reason, loading.percent) == (None, None)


class StartingBackend(FakeBackend):
    """A backend whose engine starts when the test says so."""

    tell: Callable[[str, int], None]

    def __init__(self) -> None:
        super().__init__()
        self.is_up = asyncio.Event()

    def watch_progress(self, on_progress: Callable[[str, int], None]) -> None:
        self.tell = on_progress

    async def start(self) -> None:
        await self.is_up.wait()

    async def restart(self) -> None:
        raise AssertionError

    def describe(self) -> dict[str, object]:
        return {}


async def test_the_engines_progress_is_shown_while_it_starts() -> None:
    notices, backend = FakeNotices(), StartingBackend()
    engine = EngineWatch(lambda _config: backend, Config(), notices)
    engine.start_soon()
    await notices.begun.wait()
    backend.tell("loading", 43)
    assert (told(engine), engine.progress) == ("starting: the model is loading: 43 %", 43)
    assert engine.describe()["progress"] == 43
    backend.is_up.set()
    await notices.ended.wait()
    await asyncio.sleep(0)
    backend.tell("loading", 44)  # of an engine that nobody waits for any more
    assert (told(engine), engine.progress) == ("ready", None)
    assert 43 in notices.progress
    assert 44 not in notices.progress
    await engine.aclose()
