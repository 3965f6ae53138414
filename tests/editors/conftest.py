"""Neovim with the plugin and a language server that suggests what the test chooses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.editors.find import Editor
from tests.editors.neovim import Neovim, command, start
from tests.editors.script import Script


@dataclass(frozen=True, slots=True)
class Scripted:
    """An editor, and what is suggested in it."""

    editor: Neovim
    script: Script


@pytest.fixture(scope="session", params=["nvim-new", "nvim-old"])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scripted]:
    """One Neovim of each kind for all tests that take what it is; its server is ready."""
    which: Editor = request.param
    script = Script()
    setup: dict[str, object] = {
        "cmd": command("tests.editors.script", str(script.port)),
        "settings": {"completion": {"debounceMs": 0}},
    }
    with start(which, tmp_path_factory.mktemp(which), setup) as editor:
        editor.edit([])
        script.accept()
        editor.until_lua("require('midfill').status().state", "ready")
        yield Scripted(editor, script)
    script.close()


@pytest.fixture
def neovim(running: Scripted) -> Neovim:
    return running.editor


@pytest.fixture
def script(running: Scripted) -> Script:
    return running.script
