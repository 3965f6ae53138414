"""Files of several projects in one Neovim: the language server knows the folder of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.find import Editor
from tests.editors.neovim import Neovim, command, start
from tests.editors.script import Script

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

REMOTE = {"kind": "openai", "url": "https://completions.example/v1"}  # nothing goes there: a fake
_FOLDERS = """
return vim.tbl_map(function(folder) return folder.name end,
  require('midfill.wire').client().workspace_folders or {})
"""


def project(folder: Path) -> Path:
    """Make a project with one file, below its top, and return the file."""
    (folder / ".git").mkdir(parents=True)
    (folder / "package").mkdir()
    path = folder / "package" / "add.py"
    path.write_text("def add(a, b):\n    return \n", "utf-8")
    return path


@pytest.fixture
def script() -> Iterator[Script]:
    wire = Script()
    yield wire
    wire.close()


def set_up(script: Script) -> dict[str, object]:
    """Return options with a backend that is remote by its settings alone."""
    return {
        "cmd": command("tests.editors.script", str(script.port)),
        "settings": {"backend": REMOTE, "completion": {"debounceMs": 0}},
    }


def suggests(neovim: Neovim, path: Path) -> None:
    """Open a file and wait for a suggestion; the server refuses what lies outside its folders."""
    neovim.type("<Esc>")
    neovim.run(f"edit {path}")
    neovim.type("2GA")
    neovim.until_screen("    return «a + b»")
    neovim.type("<Esc>")


@pytest.mark.parametrize("which", ["nvim-new", "nvim-old"])
def test_each_project_is_known(which: Editor, tmp_path: Path, script: Script) -> None:
    """The folder in which Neovim was started was the only one: all else was `skipped.private`."""
    first, second = tmp_path / "first", tmp_path / "second"
    file_of_first, file_of_second = project(first), project(second)
    with start(which, tmp_path / "elsewhere", set_up(script)) as neovim:
        assert neovim.lua(_FOLDERS) == []  # the buffer without a name belongs to no project
        neovim.run(f"edit {file_of_first}")  # while the server starts
        assert neovim.lua(_FOLDERS) == [str(first)]
        script.accept()
        neovim.until_lua("require('midfill').status().state", "ready")
        script.set("a + b")
        for path in (file_of_first, file_of_second, file_of_first):
            suggests(neovim, path)
        assert neovim.lua(_FOLDERS) == [str(first), str(second)]
        neovim.run(f"edit! {tmp_path}/loose.py")  # of no project: the working directory
        assert neovim.lua(_FOLDERS) == [str(first), str(second), str(tmp_path / "elsewhere")]


@pytest.mark.parametrize("which", ["nvim-new", "nvim-old"])
def test_a_buffer_that_gets_a_name_gets_its_project(
    which: Editor, tmp_path: Path, script: Script
) -> None:
    """`:write NAME` takes away what tells Neovim's own client of the name."""
    path = project(tmp_path / "project").with_name("new.py")
    with start(which, tmp_path / "elsewhere", set_up(script)) as neovim:
        script.accept()
        neovim.until_lua("require('midfill').status().state", "ready")
        script.set("a + b")
        neovim.run("setfiletype python | call setline(1, ['def add(a, b):', '    return '])")
        neovim.run(f"write {path}")
        neovim.type("2GA")
        neovim.until_screen("    return «a + b»")
        assert neovim.lua(_FOLDERS) == [str(tmp_path / "project")]
