"""The end of the language server in real Neovim: it dies, or hangs and is started anew."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.editors.find import Editor
from tests.editors.neovim import command, start
from tests.editors.script import Script

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_KILL_AND_OPEN = """
vim.uv.kill(..., 'sigkill')
local only_fast = true -- so what was scheduled at its end has not run yet
vim.wait(30000, function() return require('midfill.wire').id == nil end, 5, only_fast)
local buf = vim.fn.bufadd('other.py')
vim.bo[buf].buflisted = true
vim.fn.bufload(buf)
"""

_RESTART_AND_RUN = """
vim.cmd('Midfill restart')
assert(not require('midfill.wire').client().initialized)
vim.cmd(...)
"""


def test_a_server_that_dies_is_started_anew(tmp_path: Path) -> None:
    script = Script()
    setup: dict[str, object] = {"cmd": command("tests.editors.script", str(script.port))}
    with start("nvim-new", tmp_path, setup) as neovim:
        neovim.edit(["x = "])
        script.accept()
        for _ in range(3):
            neovim.until_lua("require('midfill').status().state", "ready")
            script.set("1 + 1")
            neovim.type("<Esc>A")
            neovim.until_screen("x = «1 + 1»")
            script.kill()
            neovim.until_screen("x = ")
            script.accept()
        neovim.until_lua("require('midfill').status().state", "ready")
        script.set("It pairs ", "them.", gated=True)
        neovim.run("MidfillChat What does zip do?")
        neovim.until(lambda: neovim.lines, lambda lines: "It pairs " in lines)
        script.kill()
        neovim.until(lambda: neovim.lines, lambda lines: "*the language server ended*" in lines)
        neovim.run("close")
        ended = "the language server ended 4 times within a minute"
        neovim.until(lambda: neovim.run("messages"), lambda messages: ended in messages)
        neovim.type("<Esc>")
        assert neovim.lua("return require('midfill').statusline()") == "Midfill stopped"
        neovim.run("Midfill restart")
        script.accept()
        script.set("2")
        neovim.until_lua("require('midfill').status().state", "ready")
        neovim.type("A")
        neovim.until_screen("x = «2»")
    script.close()


@pytest.mark.parametrize("which", ["nvim-new", "nvim-old"])
def test_a_server_that_hangs_is_started_anew(which: Editor, tmp_path: Path) -> None:
    """Nobody was told that its requests had ended, and the new one was not revived when it died."""
    script = Script()
    setup: dict[str, object] = {"cmd": command("tests.editors.script", str(script.port))}
    with start(which, tmp_path, setup) as neovim:
        neovim.edit(["x = "])
        script.accept()
        neovim.until_lua("require('midfill').status().state", "ready")
        script.set("It pairs ", "them.", gated=True)
        neovim.run("MidfillChat What does zip do?")
        neovim.until(lambda: neovim.lines, lambda lines: "It pairs " in lines)
        hanging, client = script.pid, neovim.lua("return require('midfill.wire').id")
        os.kill(hanging, signal.SIGSTOP)
        neovim.run("Midfill restart")
        os.kill(hanging, signal.SIGCONT)  # it ends only now
        neovim.until(lambda: neovim.lines, lambda lines: "*the language server ended*" in lines)
        script.accept()
        neovim.until_lua(f"vim.lsp.get_client_by_id({client}) == nil", True)
        neovim.until_lua("require('midfill').status().state", "ready")
        script.kill()
        script.accept()
        neovim.until_lua("require('midfill').status().state", "ready")
    script.close()


@pytest.mark.parametrize("which", ["nvim-new", "nvim-old"])
def test_a_buffer_that_was_edited_after_the_server_was_given_up_is_followed(
    which: Editor, tmp_path: Path
) -> None:
    """Neovim tells no other server of its changes."""
    script = Script()
    setup: dict[str, object] = {"cmd": command("tests.editors.script", str(script.port))}
    with start(which, tmp_path, setup) as neovim:
        neovim.edit(["x = "])
        for _ in range(4):
            script.accept()
            neovim.until_lua("require('midfill').status().state", "ready")
            script.kill()
        ended = "the language server ended 4 times within a minute"
        neovim.until(lambda: neovim.run("messages"), lambda messages: ended in messages)
        neovim.type("<Esc>")
        neovim.run("call setline(1, 'y = 2')")
        neovim.run("Midfill restart")
        script.accept()
        neovim.until_lua("require('midfill').status().state", "ready")
        script.set("3")
        neovim.type("oz = ")
        neovim.until_screen("z = «3»")
    script.close()


@pytest.mark.parametrize("which", ["nvim-new", "nvim-old"])
def test_a_server_that_a_file_starts_anew_knows_the_others(which: Editor, tmp_path: Path) -> None:
    """One that was opened right after the death was the only one with suggestions."""
    script = Script()
    setup: dict[str, object] = {"cmd": command("tests.editors.script", str(script.port))}
    (tmp_path / "other.py").write_text("y = 2\n", "utf-8")
    with start(which, tmp_path, setup) as neovim:
        neovim.edit(["x = "])
        script.accept()
        neovim.until_lua("require('midfill').status().state", "ready")
        neovim.lua(_KILL_AND_OPEN, script.pid)
        script.accept()
        neovim.until_lua("require('midfill').status().state", "ready")
        script.set("1 + 1")
        neovim.type("A")
        neovim.until_screen("x = «1 + 1»")
    script.close()


def test_a_server_that_dies_at_its_start_is_given_up_once(tmp_path: Path) -> None:
    """A file that was opened meanwhile had it started too, and it was given up again."""
    with start("nvim-new", tmp_path, {"cmd": ["false", "lsp"]}) as neovim:
        neovim.run("edit a.py")
        ended = "the language server ended 4 times within a minute"
        neovim.until(lambda: neovim.run("messages"), lambda messages: ended in messages)
        neovim.lua("require('midfill.server').revive()")  # the other one has ended as well
        neovim.run("edit b.py")
        assert neovim.lua("return #vim.lsp.get_clients()") == 0
        assert neovim.run("messages").count("within a minute") == 1


@pytest.mark.parametrize("which", ["nvim-new", "nvim-old"])
def test_what_is_asked_of_a_server_that_starts_waits_for_it(which: Editor, tmp_path: Path) -> None:
    """It was told to be asked again."""
    script = Script()
    setup: dict[str, object] = {"cmd": command("tests.editors.script", str(script.port))}
    with start(which, tmp_path, setup) as neovim:
        neovim.edit(["x = 1"])
        script.accept()
        for command_line, wanted in (("MidfillChat Why?", "Why?"), ("1MidfillEdit go", "go")):
            neovim.lua(_RESTART_AND_RUN, command_line)
            script.accept()
            (chat,) = neovim.until(script.chats, len)
            assert wanted in chat[-1]["content"]
            assert "try again" not in neovim.run("messages") + "".join(neovim.lines)
            neovim.edit(["x = 1"])
    script.close()
