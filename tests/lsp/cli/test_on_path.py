"""Whether editors can start `midfill` by its name, and what `midfill doctor` says where not."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from midfill_lsp.cli import find_editors, program
from midfill_lsp.cli.find_installed import find_installed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its programs are shell scripts")
SERVER = Path(sys.executable).with_name("midfill")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH: with Neovim and VS Code, without `midfill`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, version in (("nvim", "NVIM v0.12.4"), ("code", "1.139.1")):
        add_program(folder, name, f"echo {version}")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def add_program(folder: Path, name: str, line: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{line}\n")
    (folder / name).chmod(0o755)


def hints() -> dict[str, str]:
    return {one.name: one.remedy or "" for one in find_editors.find_editors()}


def test_midfill_off_path_is_missing(path: Path) -> None:
    """It was `ok`, with "not on PATH" in brackets, and no editor could start it."""
    (found, *_) = find_installed(is_engine_needed=False)
    assert (found.name, found.state) == ("midfill", "missing")
    assert found.remedy == (
        f"add {SERVER.parent} to PATH, or give editors the command `{SERVER} lsp`"
    )


def test_midfill_on_path_is_ok(path: Path) -> None:
    add_program(path, "midfill", "exit 1")
    (found, *_) = find_installed(is_engine_needed=False)
    assert found.state == "ok"
    assert str(path / "midfill") in found.found


def test_hints_start_it_by_its_path(path: Path) -> None:
    told = hints()
    assert f'{{cmd = {{"{SERVER}", "lsp"}}, root_markers = {{\'.git\'}}}}' in told["Neovim"]
    assert told["VS Code"].endswith(f"and set midfill.server.path to {SERVER}")
    for editor in ("nvim", "code"):
        (path / editor).unlink()
    assert hints()["editors"].endswith(f"its command is `{SERVER} lsp`")


def test_hints_start_it_by_its_name(path: Path) -> None:
    add_program(path, "midfill", "exit 1")
    told = hints()
    assert '{cmd = {"midfill", "lsp"}, root_markers' in told["Neovim"]
    assert told["VS Code"].endswith("it needs no settings")
    for editor in ("nvim", "code"):
        (path / editor).unlink()
    assert hints()["editors"].endswith("its command is `midfill lsp`")


def test_a_script_that_pip_put_elsewhere_is_found(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pip install --user` puts it where no interpreter is."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    assert program.language_server() == [str(SERVER), "lsp"]


def test_without_a_script_the_module_is_run(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(**_named: str) -> Iterator[metadata.Distribution]:
        return iter(())

    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    monkeypatch.setattr(metadata, "distributions", none)
    argv = [str(tmp_path / "python3"), "-m", "midfill_lsp.cli", "lsp"]
    assert program.language_server() == argv
    (found, *_) = find_installed(is_engine_needed=False)
    assert found.remedy == f"give editors the command `{shlex.join(argv)}`"
    assert hints()["VS Code"].endswith("it needs no settings")
