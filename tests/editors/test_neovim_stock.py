"""Stock Neovim 0.12 with the lines of README.md and a key: ghost text appears and is accepted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.neovim import ROOT, Neovim, command, start
from tests.editors.script import Script

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NATIVE = "nvim.lsp.inline_completion"
_LAST_COLUMN = """
local params = { command = 'midfill.explain', arguments = {} }
local client = vim.lsp.get_clients()[1]
local reply = client:request_sync('workspace/executeCommand', params)
for _, request in pairs(client.requests) do -- its answer may come behind ours
  if request.method == 'textDocument/inlineCompletion' then return nil end
end
return reply.result.column
"""


def config_of_readme(server: list[str]) -> str:
    """Return the README's Lua lines with a command that runs here, and the key of the page."""
    text = (ROOT / "README.md").read_text()
    page = (ROOT / "docs" / "editors.md").read_text()
    block = re.search(r"Neovim 0\.12 needs no plugin:\n\n```lua\n(.*?)```", text, re.DOTALL)
    key = re.search(r"and a key to accept:\n\n```lua\n(.*?)```", page, re.DOTALL)
    assert block
    assert key
    assert block[1] in page
    assert "'midfill', 'lsp'" in block[1]
    return block[1].replace("'midfill', 'lsp'", json.dumps(server)[1:-1]) + key[1]


@pytest.fixture(scope="module")
def script() -> Iterator[Script]:
    wire = Script()
    yield wire
    wire.close()


@pytest.fixture(scope="module")
def neovim(tmp_path_factory: pytest.TempPathFactory, script: Script) -> Iterator[Neovim]:
    lines = config_of_readme(command("tests.editors.script", str(script.port)))
    folder = tmp_path_factory.mktemp("stock")
    (folder / ".git").mkdir()
    with start("nvim-new", folder, None, before=lines) as editor:
        editor.edit([])
        script.accept()
        editor.until_lua("(vim.lsp.get_clients()[1] or {}).initialized", True)
        yield editor


def test_ghost_text_appears_and_is_accepted(neovim: Neovim, script: Script) -> None:
    script.set("a + b")
    neovim.edit(["def add(a, b):", "    return "])
    neovim.type("2GA")
    neovim.until(lambda: neovim.screen(NATIVE), lambda screen: screen == "    return «a + b»")
    assert neovim.lines[1] == "    return "  # nothing is inserted yet
    neovim.type("a")
    neovim.until(lambda: neovim.screen(NATIVE), lambda screen: screen == "    return a« + b»")
    # Until Neovim has asked again, 200 ms later, it would accept what it has for the place before.
    neovim.until(lambda: neovim.lua(_LAST_COLUMN), lambda column: column == len("    return a"))
    neovim.type("<Tab>")
    neovim.until(lambda: neovim.lines[1], lambda line: line == "    return a + b")
    assert neovim.lua("return vim.fn.mode()") == "i"


def test_the_project_is_told(neovim: Neovim) -> None:
    """Without a root the workspace's `midfill.toml` and other files do not count."""
    assert neovim.lua("return vim.lsp.get_clients()[1].root_dir == vim.fn.getcwd()")


def test_lines_below_in_a_crlf_file(neovim: Neovim, script: Script) -> None:
    script.set("x = 1\n    if x:\n        y()\n    return x\n\n\nz")
    neovim.edit(["def f():", ""], options="++ff=dos")
    neovim.type("2GA    ")
    below = "    «x = 1»\n«    if x:»\n«        y()»\n«    return x»"
    neovim.until(lambda: neovim.screen(NATIVE), lambda screen: screen == below)
    neovim.type("<Tab>")
    wanted = ["def f():", "    x = 1", "    if x:", "        y()", "    return x"]
    neovim.until(lambda: neovim.lines, lambda lines: lines == wanted)
    neovim.type("<Esc>")
    neovim.run("write")
    written = Path(neovim.lua("return vim.api.nvim_buf_get_name(0)")).read_bytes()
    assert written == b"".join(line.encode() + b"\r\n" for line in wanted)


def test_the_menu_has_no_suggestion_twice(neovim: Neovim) -> None:
    told = "return vim.lsp.get_clients()[1].server_capabilities.completionProvider == nil"
    assert neovim.lua(told)
