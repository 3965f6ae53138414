"""Stock Neovim with the three lines of README.md: ghost text appears, and Tab accepts it.

Neovim is `MIDFILL_NVIM`, or `nvim` on the path; without 0.12 or later the test says so and skips.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 30.0
_EXTMARKS = """vim.json.encode(vim.api.nvim_buf_get_extmarks(0,
    vim.api.nvim_create_namespace('nvim.lsp.inline_completion'), 0, -1, {details = true}))"""


class Neovim:
    """A headless Neovim that is steered over its socket."""

    def __init__(self, program: str, socket: Path) -> None:
        self._argv = (program, "--server", str(socket))

    async def type(self, keys: str) -> None:
        """Send keys as a user types them."""
        await self._run("--remote-send", keys)

    async def lua(self, expression: str) -> str:
        """Return a Lua expression's value as text."""
        quoted = " ".join(expression.split()).replace("'", "''")
        return await self._run("--remote-expr", f"luaeval('{quoted}')")

    async def until(self, expression: str, wanted: str) -> None:
        """Wait until a Lua expression's value holds a text; the editor announces nothing."""
        value = ""
        for _ in range(int(TIMEOUT_S * 10)):
            value = await self.lua(expression)
            if wanted in value:
                return
            await asyncio.sleep(0.1)
        pytest.fail(f"{expression} is {value}, without {wanted}")

    async def _run(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *self._argv,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
        return output.decode()


def find_neovim() -> str:
    """Return the program, or skip and say what was found."""
    found = os.environ.get("MIDFILL_NVIM") or shutil.which("nvim")
    if found is None:
        pytest.skip("no Neovim found (0.12 or later on the path, or MIDFILL_NVIM)")
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"NVIM v(\d+)\.(\d+)", told)
    assert version, told
    if (int(version[1]), int(version[2])) < (0, 12):
        pytest.skip(f"{found} is {version[0]}; native inline completion needs 0.12")
    return found


def config_of_readme() -> str:
    """Return the README's Lua lines with a command that runs here, and its key to accept."""
    text = (ROOT / "README.md").read_text()
    block = re.search(r"Neovim 0\.12 needs no plugin:\n\n```lua\n(.*?)```", text, re.DOTALL)
    key = re.search(r"`(vim\.keymap\.set\('i', '<Tab>'.*?)`\.?\n", text)
    assert block
    assert key
    command = json.dumps([sys.executable, "-m", "tests.e2e.serve_scripted"])[1:-1]
    assert "'midfill', 'lsp'" in block[1]
    return block[1].replace("'midfill', 'lsp'", command) + key[1] + "\n"


@asynccontextmanager
async def neovim(folder: Path, text: str) -> AsyncGenerator[Neovim]:
    """Start Neovim on a file; it is gone on the way out."""
    program, socket = find_neovim(), folder / "socket"
    (folder / "init.lua").write_text(config_of_readme())
    (folder / "add.py").write_text(text)
    process = await asyncio.create_subprocess_exec(
        *(program, "--headless", "-n", "-i", "NONE", "-u", str(folder / "init.lua")),
        *("--listen", str(socket), str(folder / "add.py")),
        cwd=ROOT,
        env={
            **os.environ,
            **{f"XDG_{name}_HOME": str(folder) for name in ("CONFIG", "DATA", "STATE", "CACHE")},
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield Neovim(program, socket)
    finally:
        process.terminate()  # it closes its language server
        await asyncio.wait_for(process.wait(), TIMEOUT_S)


async def test_ghost_text_appears_and_is_accepted(tmp_path: Path) -> None:
    async with neovim(tmp_path, "def add(a, b):\n    return \n") as editor:
        await editor.until("#vim.lsp.get_clients()", "1")
        await editor.until("tostring(vim.lsp.get_clients()[1].initialized)", "true")
        await editor.type("2GA")
        await editor.until(_EXTMARKS, '[["a + b","ComplHint"]]')
        assert await editor.lua("vim.fn.getline(2)") == "    return "  # nothing is inserted yet
        await editor.type("a")
        await editor.until(_EXTMARKS, '[[" + b","ComplHint"]]')
        await editor.type("<Tab>")
        await editor.until("vim.fn.getline(2)", "    return a + b")
        await editor.until("vim.fn.mode()", "i")
