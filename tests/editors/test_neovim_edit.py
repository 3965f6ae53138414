"""`:MidfillEdit` in real Neovim, with chosen answers."""

from __future__ import annotations

import pytest

from tests.editors.neovim import Neovim
from tests.editors.script import Script

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_IS_WHOLE = "vim.wo.winbar:find('applies it') ~= nil"

_CHANGE_AS_THE_REPLY_COMES = """
local wire, file = require('midfill.wire'), vim.api.nvim_get_current_buf()
local request = wire.request
wire.request = function(method, params, on_reply, buf)
  wire.request = request
  return request(method, params, function(...)
    vim.api.nvim_buf_set_lines(file, 0, 0, true, { 'import re' })
    on_reply(...)
  end, buf)
end
"""

_ASK_LATER = """
midfill_input = vim.ui.input
vim.ui.input = function(_, on_confirm) midfill_confirm, vim.ui.input = on_confirm, midfill_input end
"""

_NUM_HELD = (
    "#vim.api.nvim_buf_get_extmarks(0, vim.api.nvim_get_namespaces()['midfill.edit'], 0, -1, {})"
)


def make_it_ten(neovim: Neovim, script: Script) -> None:
    """Have the one line of a file edited, to the whole preview."""
    script.set("```python\nx = 10\n```\n")
    neovim.edit(["x = 1"])
    neovim.run("1MidfillEdit make it ten")
    neovim.until_lua(_IS_WHOLE, True)


def test_lines_are_rewritten_once_the_user_says_so(neovim: Neovim, script: Script) -> None:
    script.set("```python\nx = 10\nz = 3\nw", " = 4\n```\n", gated=True)
    neovim.edit(["a = 0", "x = 1", "y = 2"])
    neovim.run("2MidfillEdit make it ten")
    neovim.until(lambda: neovim.lines, lambda lines: lines[0] == "x = 10")  # the preview
    script.open()
    neovim.until_lines("x = 10", "z = 3", "w = 4")
    neovim.until_lua(_IS_WHOLE, True)
    neovim.type("<C-w>p")
    assert neovim.lines == ["a = 0", "x = 1", "y = 2"]
    neovim.type("ggO<Esc><C-w>p<CR>")  # a line above moves it along
    neovim.until_lines("", "a = 0", "x = 10", "z = 3", "w = 4", "y = 2")
    neovim.type("u")
    assert neovim.lines == ["", "a = 0", "x = 1", "y = 2"]


def test_an_edit_is_discarded(neovim: Neovim, script: Script) -> None:
    make_it_ten(neovim, script)
    neovim.type("q")
    neovim.until_lines("x = 1")


def test_an_edit_of_lines_that_changed_is_refused(neovim: Neovim, script: Script) -> None:
    make_it_ten(neovim, script)
    neovim.run("messages clear")
    neovim.type("<C-w>pA + 1<Esc><C-w>p<CR>")
    neovim.until_message("the lines have changed meanwhile")
    assert neovim.lines == ["x = 1 + 1"]


def test_an_answer_that_is_no_code_changes_nothing(neovim: Neovim, script: Script) -> None:
    script.set("I cannot do that.")
    neovim.edit(["x = 1"])
    neovim.run("messages clear")
    neovim.run("1MidfillEdit make it ten")
    neovim.until_message("Midfill: ")
    neovim.until_lines("x = 1")


def test_an_edit_of_a_text_that_the_server_has_not_got_yet(neovim: Neovim, script: Script) -> None:
    """Neovim tells of changes 150 ms later: the edit was put as many lines too high."""
    script.set("```python\nc = 30\n```\n")
    neovim.edit(["import os", "a = 1", "b = 2", "c = 3"])
    neovim.lua(_CHANGE_AS_THE_REPLY_COMES)
    neovim.run("4MidfillEdit make it thirty")
    neovim.until_lua(_IS_WHOLE, True)
    neovim.type("<CR>")
    neovim.until_lines("import re", "import os", "a = 1", "b = 2", "c = 30")


def test_an_edit_is_of_the_lines_that_it_was_begun_at(neovim: Neovim, script: Script) -> None:
    """Where the instruction was asked for in a window, it was of what was current when it came."""
    script.set("```python\ny = 20\n```\n")
    neovim.edit(["x = 1", "y = 2"])
    name = neovim.lua("return vim.api.nvim_buf_get_name(0)")
    neovim.lua(_ASK_LATER)
    neovim.run("2MidfillEdit")
    neovim.type("ggOimport os<Esc>")
    neovim.edit(["other = 1", "other = 2"], options="++bin")
    neovim.lua("midfill_confirm('make it twenty')")
    neovim.until_lua(_IS_WHOLE, True)
    neovim.type("<CR>")
    neovim.until_lines("other = 1", "other = 2")
    neovim.run(f"buffer {name}")
    assert neovim.lines == ["import os", "x = 1", "y = 20"]


@pytest.mark.parametrize("given", ["nil", "' '"])
def test_an_edit_without_an_instruction_is_none(neovim: Neovim, given: str) -> None:
    neovim.edit(["x = 1"])
    neovim.lua(_ASK_LATER)
    neovim.run("1MidfillEdit")
    neovim.lua(f"midfill_confirm({given})")
    assert neovim.lines == ["x = 1"]
    assert neovim.lua(f"return {_NUM_HELD}") == 0


def test_an_edit_of_lines_that_are_gone_is_refused(neovim: Neovim) -> None:
    neovim.edit(["x = 1", "y = 2"])
    neovim.lua(_ASK_LATER)
    neovim.run("2MidfillEdit")
    neovim.type("Gdd")
    neovim.run("messages clear")
    neovim.lua("midfill_confirm('make it ten')")
    neovim.until_message("the lines are gone")
    assert neovim.lines == ["x = 1"]


def test_without_room_for_the_preview_nothing_is_asked(neovim: Neovim) -> None:
    """It was a Lua error with its stack, and the request, its marks and highlight stayed."""
    neovim.edit(["x = 1"])
    neovim.run("messages clear | set winheight=4 winminheight=4")
    height = neovim.lua("return vim.o.lines")
    neovim.run("set lines=8")
    neovim.try_to("1MidfillEdit make it ten")
    neovim.until_message("Midfill: E36: Not enough room")
    assert "stack traceback" not in neovim.run("messages")
    assert neovim.lua(f"return {_NUM_HELD}") == 0
    assert neovim.lua("return vim.tbl_isempty(require('midfill.wire').growing)")
    assert neovim.lua("return #vim.api.nvim_list_wins()") == 1
    neovim.run(f"set winminheight& winheight& lines={height}")


def test_what_is_not_modifiable_is_told(neovim: Neovim, script: Script) -> None:
    """It was asked for all the same, and applying it was a Lua error."""
    make_it_ten(neovim, script)
    neovim.run("messages clear")
    neovim.run("call setbufvar(winbufnr(winnr('#')), '&modifiable', 0)")
    neovim.type("<CR>")
    neovim.until_message("'modifiable' is off in the file")
    neovim.type("<C-w>p")
    neovim.try_to("1MidfillEdit make it ten")
    neovim.until_message("'modifiable' is off in this buffer")
    neovim.run("setlocal modifiable")
    neovim.type("<C-w>p<CR>")
    neovim.until_lines("x = 10")
