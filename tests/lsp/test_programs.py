"""A repository cannot bring the programs that we run, nor the model that the user chose by name."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from midfill_lsp.cli.options import whole_model
from midfill_lsp.config import EngineConfig
from midfill_lsp.engine_process import command
from midfill_lsp.programs import find_program


def make_program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the current one."""
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_programs_are_found_on_path_alone(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_program(repository, "git")
    make_program(repository / "bin", "git")
    real = make_program(tmp_path / "real", "git")
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "git").write_text("no program")
    folders = ["", ".", "bin", str(tmp_path / "first"), str(tmp_path / "real")]
    monkeypatch.setenv("PATH", os.pathsep.join(folders))
    assert find_program("git") == str(real)
    assert find_program("no-such-program") is None


def test_windows_suffixes(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_program(repository, "git.EXE")
    real = make_program(tmp_path / "real", "git.EXE")
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("PATHEXT", os.pathsep.join([".COM", ".EXE"]))
    monkeypatch.setenv("PATH", str(tmp_path / "real"))
    assert find_program("git") == str(real)


def test_a_hub_id_is_no_folder_of_the_project(repository: Path) -> None:
    (repository / "owner" / "name").mkdir(parents=True)
    for name in ("owner/name", "owner"):
        config = replace(EngineConfig(), model=name)
        assert name in command.build(config, Path("ready"), Path("key"))
    assert whole_model("owner/name") == "owner/name"
    assert whole_model("./owner/name") == str(repository / "owner" / "name")
    assert whole_model("owner") == str(repository / "owner")
    absolute = str(repository / "owner" / ".." / "owner" / "name")
    config = replace(EngineConfig(), model=absolute)
    assert str(repository / "owner" / "name") in command.build(config, Path("ready"), Path("key"))
