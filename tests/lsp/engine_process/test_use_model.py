"""`midfill models use` on the user's own engine: started first, written then, taken by editors."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest

from midfill_lsp.cli import main
from midfill_lsp.cli.use_model import use
from midfill_lsp.engine_process import process
from midfill_lsp.engine_process.shared import SharedEngine
from midfill_lsp.errors import EngineStartError
from midfill_lsp.settings.files import user_file
from midfill_lsp.settings.sources import Sources
from tests.lsp.engine_process.conftest import Engines, until


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIDFILL_CONFIG_DIR", str(tmp_path / "config"))
    return user_file()


def text(file: Path) -> str | None:
    return file.read_text() if file.exists() else None


async def test_the_choice_outlives_the_engine_and_the_old_one_ends_unused(
    engines: Engines, file: Path
) -> None:
    config = engines.config()
    old = SharedEngine(config)
    await old.endpoint()
    told: list[str] = []
    sources = Sources({"engine": {"command": list(config.command or ()), "exit_when_unused_s": 30}})
    await use(sources.own().engine, "owner/model", told.append)
    assert text(file) == '[engine]\nmodel = "owner/model"\n'
    assert told[-1].startswith(f"owner/model is in use: engine.model in {file}")
    assert sources.have_changed()
    sources.refresh()
    async with aclosing(SharedEngine(sources.own().engine)) as new:
        await new.endpoint()
        assert new.describe()["model"] == "owner/model"
        assert new.describe()["pid"] == engines.pids()[1]
        await old.aclose()
        await until(lambda: not process.is_alive(engines.pids()[0]))
        assert len(engines.pids()) == 2, "the one that was started for the choice is used"


async def test_a_model_that_cannot_be_loaded_is_not_written(engines: Engines, file: Path) -> None:
    with pytest.raises(EngineStartError, match="no model at x"):
        await use(engines.config("--fail", "no model at x"), "x", lambda _line: None)
    assert text(file) is None


def test_another_backend_has_its_own_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "use", "x", "--backend", "openai"]) == 1
    assert "backend.kind is openai: set backend.model instead" in capsys.readouterr().err
