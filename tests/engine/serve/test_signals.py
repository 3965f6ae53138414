"""Signals end the engine, and nothing of it is left behind: no key, no ready file."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from midfill_engine.config import EngineConfig, ServerConfig
from midfill_engine.errors import ModelError, StartError
from midfill_engine.serve.keys import ApiKey
from midfill_engine.serve.registry import Models
from midfill_engine.serve.served import Served
from midfill_engine.serve.server import EngineServer, run_server
from midfill_engine.serve.signals import unwinding

NUMBERS = [signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Those of the tests' own process, which are its own again afterwards."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    for number in NUMBERS:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_while_a_model_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Once SIGHUP, as of a terminal that closes, left the key's file."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    seen: list[Path] = []

    def load(config: EngineConfig) -> Served:
        seen.extend((tmp_path / "midfill").iterdir())
        signal.raise_signal(number)
        raise AssertionError("the signal had no effect")

    config = EngineConfig(server=ServerConfig(port=0))
    with pytest.raises(SystemExit) as ended:
        run_server(config, ApiKey("secret", made=True), load, lambda _: None)
    assert ended.value.code == 128 + number
    assert len(seen) == 1
    assert not seen[0].exists()
    assert signal.getsignal(number) == signal.SIG_DFL


@pytest.mark.parametrize("number", NUMBERS)
def test_while_it_serves(served: Served, number: signal.Signals) -> None:
    server = EngineServer(Models([served]), ServerConfig(), None, "http://x", lambda _: None)
    with server.capture_signals():
        signal.raise_signal(number)
    assert server.should_exit


def test_an_ignored_hangup_stays_ignored(served: Served) -> None:
    """As under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    server = EngineServer(Models([served]), ServerConfig(), None, "http://x", lambda _: None)
    with unwinding(), server.capture_signals():
        signal.raise_signal(signal.SIGHUP)
    assert not server.should_exit
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_a_stale_ready_file_is_removed_first(tmp_path: Path) -> None:
    """Once a client took a killed engine's file for the new one's until its model was there."""
    ready = tmp_path / "ready.json"
    ready.write_text('{"pid": 1}')

    def load(config: EngineConfig) -> Served:
        assert not ready.exists()
        raise ModelError("no model")

    config = EngineConfig(server=ServerConfig(port=0, ready_file=ready))
    with pytest.raises(ModelError, match="no model"):
        run_server(config, ApiKey(None), load, lambda _: None)


def test_a_ready_file_that_cannot_be_removed(tmp_path: Path) -> None:
    def load(config: EngineConfig) -> Served:
        raise AssertionError("nothing is loaded")

    config = EngineConfig(server=ServerConfig(port=0, ready_file=tmp_path))
    with pytest.raises(StartError, match=r"cannot remove the ready file .*: check --ready-file"):
        run_server(config, ApiKey(None), load, lambda _: None)
