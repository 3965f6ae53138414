"""What is said when the engine cannot be started."""

from __future__ import annotations

import sys
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from midfill_lsp.config import EngineConfig
from midfill_lsp.engine_process import command, log, start
from midfill_lsp.engine_process.endpoint import FixedEngine
from midfill_lsp.engine_process.shared import SharedEngine
from midfill_lsp.errors import AccessDenied, EngineStartError
from tests.lsp.engine_process.conftest import Engines


async def failure(config: EngineConfig, retry_after_s: float = 30.0) -> str:
    async with aclosing(SharedEngine(config, retry_after_s=retry_after_s)) as engine:
        with pytest.raises(EngineStartError) as caught:
            await engine.endpoint()
        assert engine.describe()["state"] == "failed"
        assert engine.describe()["reason"] == str(caught.value)
    return str(caught.value)


async def test_last_error_line_is_the_message(engines: Engines) -> None:
    config = engines.config("--fail", "no model folder '/nowhere'; give one that exists")
    assert await failure(config) == "no model folder '/nowhere'; give one that exists"


async def test_death_without_a_word_names_the_log(engines: Engines, state_dir: Path) -> None:
    message = await failure(engines.config("--die"))
    assert str(state_dir) in message
    assert message.endswith(".log")


async def test_failure_is_remembered_for_a_while(engines: Engines) -> None:
    config = engines.config("--die")
    async with aclosing(SharedEngine(config)) as engine:
        for _ in range(3):
            with pytest.raises(EngineStartError):
                await engine.endpoint()
        record = start.find_or_start(config)
    assert record.log_file  # and only this last line started a second process:
    assert len(list(Path(record.log_file).parent.glob("*.log*"))) == 2


async def test_failure_is_tried_again_later(engines: Engines, tmp_path: Path) -> None:
    program = tmp_path / "engine.py"
    program.write_text("raise SystemExit(2)")
    config = replace(EngineConfig(), command=(sys.executable, str(program)))
    async with aclosing(SharedEngine(config, retry_after_s=0.0)) as engine:
        with pytest.raises(EngineStartError):
            await engine.endpoint()
        good = engines.config().command
        assert good is not None
        program.write_text(f"import os, sys; os.execv({good[0]!r}, {good!r} + tuple(sys.argv[1:]))")
        await engine.endpoint()


async def test_never_ready(engines: Engines) -> None:
    config = replace(engines.config("--never-ready"), start_timeout_s=0.5)
    assert "not ready within 0.5 s" in await failure(config)
    record = start.find(config)
    assert record is None


async def test_program_that_does_not_exist() -> None:
    message = await failure(replace(EngineConfig(), command=("/nowhere/engine",)))
    assert message == (
        "'/nowhere/engine' cannot be run: No such file or directory; see midfill.engine.command"
    )


async def test_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "missing_modules", lambda: ("tokenizers",))
    assert 'pip install "midfill[engine]"' in await failure(EngineConfig())


def test_state_folder_that_others_can_change(engines: Engines, state_dir: Path) -> None:
    state_dir.mkdir(mode=0o700)
    state_dir.chmod(0o777)
    with pytest.raises(EngineStartError, match="chmod 700"):
        start.find_or_start(engines.config())


async def test_state_folder_that_cannot_be_made(
    engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MIDFILL_STATE_DIR", str(tmp_path / "file" / "state"))
    assert "cannot be made: Not a directory" in await failure(engines.config())


def test_start_in_advance_fails_silently(engines: Engines) -> None:
    start.start_early(replace(EngineConfig(), command=("/nowhere/engine",)))


def test_log_is_kept_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MAX_BYTES", 100)
    monkeypatch.setattr(log, "KEPT_BYTES", 10)
    path = tmp_path / "engine.log"
    log.rotate(path)
    with path.open("ab") as file:
        file.write(b"x" * 100 + b"last words")
        file.flush()
        log.bound(path)
        file.write(b"more")
    assert path.read_bytes() == b"more"
    assert (tmp_path / "engine.log.1").read_bytes() == b"last words"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("", None),
        ("midfill-engine: a/b: downloading 43 %\n", ("downloading", 43)),
        ("midfill-engine: a: loading 99 %\nelse\nmidfill-engine: b: loading 7 %\n", ("loading", 7)),
        ("midfill-engine: error: loading 5 % failed\n", None),
    ],
)
def test_progress_is_the_last_that_was_told(
    lines: str, told: tuple[str, int] | None, tmp_path: Path
) -> None:
    path = tmp_path / "engine.log"
    assert log.progress(path) is None
    path.write_text("x" * 10_000 + "\n" + lines)
    assert log.progress(path) == told


@pytest.mark.parametrize("url", ["", "localhost:80", "ftp://x", "http://", "http://me:pw@x"])
async def test_bad_url(url: str) -> None:
    with pytest.raises(EngineStartError, match=r"midfill\.engine\.url"):
        await FixedEngine(url).endpoint()


async def test_key_of_a_fixed_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDFILL_API_KEY", "from the environment")
    assert (await FixedEngine("http://127.0.0.1/").endpoint()).key == "from the environment"
    key_file = tmp_path / "key"
    with pytest.raises(AccessDenied, match="cannot be read: No such file"):
        await FixedEngine("http://x", key_file).endpoint()
    key_file.write_text("from the file\n")
    with pytest.raises(AccessDenied, match=r"not sent to x, .*MIDFILL_TOKEN_HOSTS or by --engine"):
        await FixedEngine("http://x", key_file).endpoint()
    endpoint = await FixedEngine("http://x", key_file, {"x"}).endpoint()
    assert endpoint.key == "from the file"
    assert "from the file" not in repr(endpoint)


async def test_state_folder_without_a_home(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_STATE_DIR", "~nosuchuser/state")
    told = await failure(engines.config())
    assert told == (
        "no home folder is known for the state: set HOME, or MIDFILL_STATE_DIR to a folder"
    )
