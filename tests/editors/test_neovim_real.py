"""The plugin in real Neovim with the real language server, engine and bundled model.

What the model writes is taken as it comes: the tests hold with any model that writes something.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.editors.neovim import Neovim, start

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SHAPE = [
    "class Shape:",
    "    def __init__(self, name, width, height):",
    "        self.name = name",
    "        self.width = width",
]
_RECORD = """
midfill_seen = {}
vim.api.nvim_create_autocmd('User', { pattern = 'MidfillShown', callback = function()
  local namespace = vim.api.nvim_get_namespaces().midfill
  local marks = vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })
  table.insert(midfill_seen, marks[1][4].virt_text[1][1])
end })
"""


@pytest.fixture(scope="module")
def engines() -> Iterator[set[int]]:
    """The process ids of engines that were seen; they end here, rather than when unused."""
    pids: set[int] = set()
    yield pids
    for pid in pids:
        os.kill(pid, signal.SIGTERM)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all editors of these tests find the one engine."""
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="module", params=["nvim-new", "nvim-old"])
def neovim(request: pytest.FixtureRequest, folder: Path, engines: set[int]) -> Iterator[Neovim]:
    setup: dict[str, object] = {
        "cmd": [sys.executable, "-m", "midfill_lsp.cli", "lsp"],
        "settings": {"engine": {"exitWhenUnusedS": 600}},
    }
    with start(request.param, folder, setup) as editor:
        editor.lua(_RECORD)
        editor.edit([])
        editor.until_lua("require('midfill').status().state", "ready")
        engines.add(editor.ask_server("midfill.status")["engine"]["pid"])
        yield editor
    assert len(engines) == 1


def test_type_see_it_grow_and_accept(neovim: Neovim) -> None:
    neovim.lua("midfill_seen = {}")
    neovim.edit(SHAPE)
    neovim.type("Goself.hei")
    neovim.until_ghost()
    neovim.until_whole()
    seen: list[str] = neovim.lua("return midfill_seen")
    whole = neovim.screen().replace("«", "").replace("»", "")
    assert all(later.startswith(earlier) for earlier, later in pairwise(seen))
    neovim.type("<Tab>")
    neovim.until(lambda: neovim.lines[-1], lambda line: line == whole)
    neovim.type("<Esc>u")
    assert neovim.lines[-1] == "        self.hei"


def test_typing_what_it_says_needs_no_request(neovim: Neovim) -> None:
    neovim.edit(SHAPE)
    neovim.type("Goself.hei")
    neovim.until_ghost()
    neovim.until_whole()
    shown = neovim.screen()
    first = shown.partition("«")[2][0]
    requests = sum(neovim.ask_server("midfill.status")["metrics"]["outcomes"].values())
    neovim.type(first)
    assert neovim.screen() == shown.replace(f"«{first}", f"{first}«")
    assert sum(neovim.ask_server("midfill.status")["metrics"]["outcomes"].values()) == requests


def test_leaving_insert_mode_cancels(neovim: Neovim) -> None:
    neovim.edit(SHAPE)
    neovim.type("Goself.hei<Esc>")
    assert "«" not in neovim.screen()
    explanation = neovim.until(
        lambda: neovim.ask_server("midfill.explain"), lambda explanation: explanation
    )
    assert explanation["outcome"] in ("cancelled", "shown", "cached", "stale")
    assert "«" not in neovim.screen()


def test_one_engine_and_right_counts(neovim: Neovim) -> None:
    neovim.edit([])
    before = neovim.count_events()
    neovim.edit(SHAPE)
    neovim.type("Goself.hei")
    neovim.until_ghost()
    neovim.until_whole()
    neovim.type("<Tab><Esc>")
    counted = neovim.until(
        neovim.count_events, lambda now: now.get("accepted", 0) > before.get("accepted", 0)
    )
    assert counted["accepted"] - before.get("accepted", 0) == 1
    assert counted["shown"] > before.get("shown", 0)
