"""What real Neovim tells of its cursor outside of insert mode."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.editors.neovim import Neovim

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_RECORD = """
local client = require('midfill.wire').client()
midfill_told, midfill_notify = {}, client.notify
client.notify = function(...)
  local method, params = select(type(...) == 'table' and 2 or 1, ...)  -- a method since 0.11
  if method == 'midfill/didMoveCursor' then
    table.insert(midfill_told, { params.position.line, params.position.character })
  end
  return midfill_notify(...)
end
"""


@pytest.fixture
def neovim(neovim: Neovim) -> Iterator[Neovim]:
    """Neovim with three lines, whose moves are kept from now on."""
    neovim.edit(["first = 1", "se🙂ond = 2", "third = 3"])
    neovim.until_lua("require('midfill.server').is_attached(0)", True)
    neovim.type("gg")
    neovim.lua(_RECORD)
    yield neovim
    neovim.type("<Esc>")
    neovim.lua("require('midfill.wire').client().notify = midfill_notify")


def _told(neovim: Neovim) -> list[list[int]]:
    told: list[list[int]] = neovim.lua("return midfill_told")
    return told


def test_the_end_of_each_line_that_the_cursor_comes_to(neovim: Neovim) -> None:
    encoding = neovim.lua("return require('midfill.wire').encoding()")
    width = len("se🙂ond = 2".encode()) if encoding == "utf-8" else len("se🙂ond = 2") + 1
    neovim.type("j")
    neovim.type("l")
    neovim.type("j")
    neovim.type("$")
    assert _told(neovim) == [[1, width], [2, 9]]


def test_not_in_insert_mode_nor_while_something_is_selected(neovim: Neovim) -> None:
    neovim.type("vjj")
    assert _told(neovim) == []
    neovim.type("<Esc>")
    told = _told(neovim)
    neovim.type("i<Up>")
    assert _told(neovim) == told


@pytest.mark.parametrize(
    "switch", ["let b:midfill_enabled = 0", "setlocal nomodifiable", "normal! qq"]
)
def test_not_where_nothing_is_asked_by_itself(neovim: Neovim, switch: str) -> None:
    if switch.startswith("normal"):
        neovim.type("qq")
    else:
        neovim.run(switch)
    neovim.type("jj")
    assert _told(neovim) == []
    neovim.run("setlocal modifiable")
    if switch.startswith("normal"):
        neovim.type("q")
