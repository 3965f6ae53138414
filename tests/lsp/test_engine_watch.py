"""What the backend's failures are taken for, without an editor."""

from __future__ import annotations

import pytest
from lsprotocol import types

from midfill_lsp.config import Config, EngineConfig
from midfill_lsp.errors import BackendError, EngineGone, EngineStartError
from midfill_lsp.server.engine import EngineWatch
from midfill_lsp.server.notices import Notices, State
from tests.fakes import FakeBackend


class FakeNotices(Notices):
    """Keeps what would be said."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.states: list[State] = []

    def tell_once(self, cause: str, text: str, severity: types.MessageType) -> None:
        self.messages.append(text)

    def forget(self, cause: str) -> None:
        pass

    def status(self, state: State, reason: str | None) -> None:
        self.states.append(state)


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
