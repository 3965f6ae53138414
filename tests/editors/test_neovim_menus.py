"""Ghost text beside completion menus: Neovim's own, and stand-ins for nvim-cmp and blink.cmp.

The stand-ins do what the plugins were seen to do in both editions of Neovim (docs/log.md); the
plugins themselves are in no package registry.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.editors.neovim import Neovim
from tests.editors.script import Script

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# It tells when its menu has opened or closed, not when another item is selected. Its `visible()`
# waits until it has filtered, for tens of milliseconds after a key.
_CMP = """
local is_open, entry, listeners = false, nil, {}
package.loaded['cmp'] = {
  core = { view = {
    visible = function() return is_open end,
    get_selected_entry = function() return is_open and entry or nil end,
  } },
  visible = function() error('it waits') end,
  event = { on = function(_, name, listener) listeners[name] = listener end },
}
function midfill_menu(opens)
  is_open, entry = opens, nil
  listeners[opens and 'menu_opened' or 'menu_closed']({})
end
function midfill_select(item)
  entry = item and { word = item.label, completion_item = item }
end
"""
# Its events come when the state has changed, one for each selection, none among them.
_BLINK = """
local is_open, selected = false, nil
local function tell(name)
  vim.api.nvim_exec_autocmds('User', { pattern = name, modeline = false })
end
package.loaded['blink.cmp'] = {
  is_menu_visible = function() return is_open end,
  get_selected_item = function() return selected end,
}
function midfill_menu(opens)
  is_open, selected = opens, nil
  tell(opens and 'BlinkCmpMenuOpen' or 'BlinkCmpMenuClose')
end
function midfill_select(item)
  selected = item
  tell('BlinkCmpListSelect')
end
"""
_ITEMS = """
local items = {
  { label = 'alpha_one' },
  { label = 'alpha_two', textEdit = { newText = 'alpha_two' } },
  { label = 'all', insertText = 'all($1)', insertTextFormat = 2 },
  { label = 'total' },
}
local idx = 0
vim.keymap.set('i', '<C-n>', function()
  idx = idx + 1
  midfill_select(items[idx])
end)
"""
LINES = ["alpha_one = alpha_two = 1", "x = "]


@pytest.fixture(params=[_CMP, _BLINK], ids=["nvim-cmp", "blink.cmp"])
def menu(request: pytest.FixtureRequest, neovim: Neovim) -> Iterator[None]:
    """One of the plugins, loaded; `<C-n>` selects the next of its items."""
    neovim.lua(request.param + _ITEMS)
    yield
    neovim.lua("package.loaded['cmp'], package.loaded['blink.cmp'] = nil, nil")
    neovim.run("iunmap <C-n>")


@pytest.fixture
def shown_with_menu(neovim: Neovim) -> Iterator[None]:
    neovim.lua("require('midfill').options.show_with_menu = true")
    yield
    neovim.lua("require('midfill').options.show_with_menu = false")


@pytest.mark.usefixtures("menu")
def test_it_makes_room_for_the_menu_of_a_plugin(neovim: Neovim, script: Script) -> None:
    script.set("alpha_total")
    neovim.edit(LINES)
    neovim.type("2GA")
    neovim.until_screen("x = «alpha_total»")
    neovim.lua("midfill_menu(true)")
    neovim.until_screen("x = ")
    neovim.type("a")
    neovim.lua("midfill_menu(false)")
    neovim.until_screen("x = a«lpha_total»")


@pytest.mark.usefixtures("menu", "shown_with_menu")
def test_it_goes_on_from_the_selected_item(neovim: Neovim, script: Script) -> None:
    script.set(" + 1")
    neovim.edit(LINES)
    neovim.type("2GAal")
    neovim.until_screen("x = al« + 1»")
    neovim.lua("midfill_menu(true)")
    neovim.type("<C-n>")
    neovim.until_screen("x = al«pha_one + 1»")
    neovim.type("p")
    neovim.until_screen("x = alp«ha_one + 1»")
    neovim.type("<C-n>")
    neovim.until_screen("x = alp«ha_two + 1»")
    neovim.type("<M-Right>")
    neovim.until(lambda: neovim.lines[1], lambda line: line == "x = alpha_two")
    neovim.lua("midfill_menu(false)")
    neovim.until_screen("x = alpha_two« + 1»")


@pytest.mark.usefixtures("menu", "shown_with_menu")
def test_nothing_goes_on_from_a_snippet_or_another_word(neovim: Neovim, script: Script) -> None:
    script.set(" + 1")
    neovim.edit(LINES)
    neovim.type("2GAal")
    neovim.until_screen("x = al« + 1»")
    neovim.lua("midfill_menu(true)")
    neovim.type("<C-n><C-n>")
    neovim.until_screen("x = al«pha_two + 1»")
    for _ in ("a snippet", "a word that would take the place of what was typed"):
        neovim.type("<C-n>")
        neovim.until_screen("x = al")
    neovim.type("<C-n>")  # nothing is selected
    neovim.until_screen("x = al« + 1»")


def test_it_makes_room_for_neovims_own_menu(neovim: Neovim, script: Script) -> None:
    script.set("alpha_total")
    neovim.edit(LINES)
    neovim.type("2GA")
    neovim.until_screen("x = «alpha_total»")
    neovim.type("al")
    neovim.until_screen("x = al«pha_total»")
    neovim.run("set completeopt=menuone,noinsert,noselect")
    neovim.type("<C-x><C-n>")
    neovim.until_lua("vim.fn.pumvisible()", 1)
    neovim.until_screen("x = al")
    neovim.type("<C-e>")
    neovim.until_screen("x = al«pha_total»")


@pytest.mark.usefixtures("shown_with_menu")
def test_it_goes_on_from_the_item_of_neovims_own_menu(neovim: Neovim, script: Script) -> None:
    script.set(" + 1")
    neovim.edit(LINES)
    neovim.run("set completeopt=menuone,noinsert")
    neovim.type("2GAal<C-x><C-n>")
    neovim.until_screen("x = al«pha_one + 1»")
    neovim.type("<Down>")
    neovim.until_screen("x = al«pha_two + 1»")
    neovim.type("<Tab>")
    neovim.until(lambda: neovim.lines[1], lambda line: line == "x = alpha_two + 1")
    neovim.type("<Esc>u")
    assert neovim.lines[1] == "x = al"
    neovim.run("set completeopt=menuone,noselect")
    neovim.type("A<C-x><C-n><C-n>")  # which puts it into the text at once
    neovim.until_screen("x = alpha_one« + 1»")
