"""A real Neovim with the plugin, steered over its own protocol; what is drawn is read as text."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.editors.find import Editor, environment, find
from tests.editors.msgpack_rpc import Session

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "clients" / "nvim"
WIPE_WITHOUT_NAME = """
for _, buf in ipairs(vim.api.nvim_list_bufs()) do
  if vim.api.nvim_buf_get_name(buf) == '' then
    vim.api.nvim_buf_delete(buf, { force = true })
  end
end
"""
TIMEOUT_S = 60.0  # an engine may have to start
_POLL_S = 0.01  # Neovim tells nobody that it has drawn
_Value = TypeVar("_Value")

_RENDER = """
local row = vim.api.nvim_win_get_cursor(0)[1] - 1
local namespace = vim.api.nvim_get_namespaces()[...]
if not namespace then return vim.api.nvim_get_current_line() end
local line, below = vim.api.nvim_get_current_line(), {}
local marks = vim.api.nvim_buf_get_extmarks(0, namespace, {row, 0}, {row, -1}, {details = true})
local function text_of(chunks)
  return '«' .. table.concat(vim.tbl_map(function(chunk) return chunk[1] end, chunks)) .. '»'
end
for idx = #marks, 1, -1 do
  local col, details = marks[idx][3], marks[idx][4]
  for _, chunks in ipairs(details.virt_lines or {}) do table.insert(below, text_of(chunks)) end
  if details.virt_text then
    local text = text_of(details.virt_text)
    local width = details.virt_text_pos == 'overlay' and #text - #'«»' or 0
    if details.virt_text_pos == 'eol' then col = #line end
    line = line:sub(1, col) .. text .. line:sub(col + 1 + width)
  end
end
return table.concat({line, unpack(below)}, '\\n')
"""


class Neovim:
    """One Neovim without a terminal; keys are typed, the rest is read."""

    def __init__(self, session: Session) -> None:
        """Steer the Neovim at the other end of `session`."""
        self._session = session
        self._num_files = 0

    def type(self, keys: str) -> None:
        """Type keys, `<Esc>` and the like among them; they are worked off before the next call."""
        self._session.request("nvim_input", keys)

    def run(self, command: str) -> str:
        """Run an Ex command and return what it prints."""
        printed: str = self._session.request("nvim_exec2", command, {"output": True})["output"]
        return printed

    def try_to(self, command: str) -> None:
        """Type an Ex command that fails, and leave the prompt that a long message waits at."""
        self.type(f"<Esc>:{command}<CR><Esc>")

    def mode(self) -> str:
        """Return the mode; also while Neovim waits for an answer."""
        mode: str = self._session.request("nvim_get_mode")["mode"]
        return mode

    def lua(self, code: str, *arguments: object) -> Any:  # noqa: ANN401  # whatever the code returns
        """Run Lua and return its value."""
        return self._session.request("nvim_exec_lua", code, arguments)

    @property
    def lines(self) -> list[str]:
        """The text of the buffer."""
        lines: list[str] = self._session.request("nvim_buf_get_lines", 0, 0, -1, True)
        return lines

    @property
    def cursor(self) -> tuple[int, int]:
        """Row from 1 and byte column."""
        row, col = self._session.request("nvim_win_get_cursor", 0)
        return row, col

    def screen(self, namespace: str = "midfill") -> str:
        """The cursor's line with «ghost text» where it is drawn, and the lines drawn below it."""
        text: str = self.lua(_RENDER, namespace)
        return text

    def until(self, read: Callable[[], _Value], wanted: Callable[[_Value], object]) -> _Value:
        """Wait until what is read is wanted, and return it."""
        deadline = time.monotonic() + TIMEOUT_S
        while not wanted(value := read()):
            if time.monotonic() > deadline:
                messages = self.run("messages")
                pytest.fail(f"still {value!r}\n{self.lines}\n{messages}")
            time.sleep(_POLL_S)
        return value

    def until_screen(self, wanted: str) -> None:
        """Wait for ghost text to look like this."""
        self.until(self.screen, lambda screen: screen == wanted)

    def until_ghost(self) -> str:
        """Wait for ghost text, and return the screen."""
        return self.until(self.screen, lambda screen: "«" in screen)

    def until_whole(self) -> None:
        """Wait until what is suggested grows no more."""
        self.until_lua("require('midfill.suggest').is_complete()", True)

    def until_lines(self, *lines: str) -> None:
        """Wait for the buffer to hold these lines."""
        self.until(lambda: self.lines, lambda now: now == list(lines))

    def until_message(self, wanted: str) -> None:
        """Wait until something was said; `messages clear` comes before."""
        self.until(lambda: self.run("messages"), lambda messages: wanted in messages)

    def until_lua(self, expression: str, wanted: object) -> None:
        """Wait until a Lua expression has a value."""
        self.until(lambda: self.lua(f"return {expression}"), lambda value: value == wanted)

    def edit(self, text: Sequence[str], options: str = "") -> None:
        """Leave insert mode, and open a new Python file with lines of text."""
        self.type("<Esc><Esc>")
        self._num_files += 1
        self.run(f"edit! {options} file{self._num_files}.py")
        self._session.request("nvim_buf_set_lines", 0, 0, -1, True, list(text))

    def ask_server(self, command: str) -> Any:  # noqa: ANN401  # whatever the command answers
        """Run a command of the language server and return its answer."""
        self.lua(
            "midfill_answer = nil; require('midfill.wire').execute(..., {}, function(_, result)"
            " midfill_answer = result end)",
            command,
        )
        self.until_lua("midfill_answer ~= nil", True)
        return self.lua("return midfill_answer")

    def count_events(self) -> dict[str, int]:
        """Return what the server counted of what was shown and accepted."""
        events: dict[str, int] = self.ask_server("midfill.status")["metrics"]["events"]
        return events


@contextmanager
def start(
    editor: Editor, folder: Path, setup: dict[str, object] | None, before: str = ""
) -> Generator[Neovim]:
    """Start Neovim with the plugin set up, None for not; it is gone on the way out."""
    folder.mkdir(parents=True, exist_ok=True)
    argv = [find(editor), "--embed", "--headless", "-n", "-i", "NONE", "-u", "NONE"]
    # The server's command runs modules of this project.
    with Session(argv, {**environment(folder), "PYTHONPATH": str(ROOT)}, folder) as session:
        neovim = Neovim(session)
        neovim.run(f"set runtimepath^={PLUGIN} nomore")
        neovim.run("runtime plugin/midfill.lua | filetype plugin on")
        if before:
            neovim.lua(before)
        if setup is not None:
            neovim.lua("require('midfill').setup(vim.json.decode(...))", json.dumps(setup))
        yield neovim


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module as the language server."""
    return [sys.executable, "-m", module, *arguments]
