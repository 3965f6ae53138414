"""The plugin's ghost text from key to key, in real Neovim with chosen suggestions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.editors.neovim import Neovim
from tests.editors.script import Script

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ADD = ["def add(a, b):", "    return "]


def test_ghost_text_is_drawn_and_nothing_is_inserted(neovim: Neovim, script: Script) -> None:
    script.set("a ", "+ b")
    neovim.edit(ADD)
    neovim.type("2GA")
    neovim.until_screen("    return «a + b»")
    assert neovim.lines == ADD


def test_it_grows_while_it_comes(neovim: Neovim, script: Script) -> None:
    script.set("alpha ", "+ beta", gated=True)
    neovim.edit(ADD)
    neovim.type("2GA")
    neovim.until_screen("    return «alpha»")
    script.open()
    neovim.until_screen("    return «alpha + beta»")


def test_typing_through_it_keeps_the_rest(neovim: Neovim, script: Script) -> None:
    script.set("a + b")
    neovim.edit(ADD)
    neovim.type("2GA")
    neovim.until_screen("    return «a + b»")
    script.set("something else")
    neovim.type("a ")
    assert neovim.screen() == "    return a «+ b»"  # at once, without a request


def test_typing_on_while_it_grows(neovim: Neovim, script: Script) -> None:
    script.set("alpha ", "+ beta", gated=True)
    neovim.edit(ADD)
    neovim.type("2GA")
    neovim.until_screen("    return «alpha»")
    neovim.type("al")
    assert neovim.screen() == "    return al«pha»"
    script.open()
    neovim.until_screen("    return al«pha + beta»")


def test_typing_something_else_takes_it_away(neovim: Neovim, script: Script) -> None:
    script.set("a + b")
    neovim.edit(ADD)
    neovim.type("2GA")
    neovim.until_screen("    return «a + b»")
    script.set("um(a, b)")
    neovim.type("s")
    neovim.until_screen("    return s«um(a, b)»")
    neovim.type("<BS>")
    neovim.until(neovim.screen, lambda screen: "um(a" not in screen)


@pytest.mark.parametrize("leave", ["<Esc>", "<C-c>"])
def test_leaving_insert_mode_ends_it(neovim: Neovim, script: Script, leave: str) -> None:
    script.set("alpha ", "+ beta", gated=True)
    neovim.edit(ADD)
    neovim.type("2GA")
    neovim.until_screen("    return «alpha»")
    neovim.type(leave)
    assert neovim.screen() == "    return "
    script.open()
    neovim.type("2GA")
    neovim.until_screen("    return «alpha + beta»")


def test_moving_the_cursor_takes_it_away(neovim: Neovim, script: Script) -> None:
    script.set("a + b")
    neovim.edit(ADD)
    neovim.type("2GA")
    neovim.until_screen("    return «a + b»")
    neovim.type("<Up>")
    assert "«" not in neovim.screen()


def test_two_buffers_each_have_their_own(neovim: Neovim, script: Script) -> None:
    script.set("a + b")
    neovim.edit(ADD)
    first = neovim.lua("return vim.api.nvim_get_current_buf()")
    neovim.type("2GA")
    neovim.until_screen("    return «a + b»")
    script.set("42")
    neovim.edit(["answer = "])
    neovim.type("A")
    neovim.until_screen("answer = «42»")
    neovim.type(f"<Cmd>buffer! {first}<CR><Esc>2GA")
    neovim.until_screen("    return «a + b»")


def test_lines_that_come_above_move_it(neovim: Neovim, script: Script) -> None:
    script.set("a + b")
    neovim.edit(ADD)
    neovim.type("2GA")
    neovim.until_screen("    return «a + b»")
    script.set("nothing of that")
    neovim.lua("vim.api.nvim_buf_set_lines(0, 0, 0, true, {'import os', ''})")
    neovim.type("a")
    assert neovim.screen() == "    return a«+ b»" or neovim.screen() == "    return a« + b»"


def test_a_block_is_drawn_below(neovim: Neovim, script: Script) -> None:
    script.set("x = 1\n    if x:\n        y()\n    return x\n\n\nz")
    neovim.edit(["def f():", ""])
    neovim.type("2GA    ")
    neovim.until_screen("    «x = 1»\n«    if x:»\n«        y()»\n«    return x»")


def test_it_is_drawn_around_a_bracket_that_was_closed(neovim: Neovim, script: Script) -> None:
    script.set("a, b):\n")
    neovim.edit(["def f()"])
    neovim.type("$i")
    neovim.until_screen("def f(«a, b»)«:»")


def test_a_macro_is_recorded_and_runs_without_suggestions(neovim: Neovim, script: Script) -> None:
    script.set("a + b")
    neovim.edit(["", ""])
    neovim.run("setlocal noexpandtab")
    neovim.type("qqAx =")
    assert not neovim.lua("return require('midfill.asking').is_running()")
    neovim.type("<Tab>1<Esc>jq@q")
    assert neovim.lines == ["x =\t1", "x =\t1"]
    neovim.type("A")
    neovim.until_screen("x =\t1«a + b»")


@pytest.mark.parametrize("keys", [":new | setlocal buftype=nofile<CR>i", "q:i", ":set paste<CR>A"])
def test_nothing_is_suggested_where_no_code_is_written(
    neovim: Neovim, script: Script, keys: str
) -> None:
    script.set("a + b")
    neovim.edit(["x = "])
    neovim.type(keys + "1")
    assert neovim.mode() == "i"
    assert not neovim.lua("return require('midfill.asking').is_running()")
    if "paste" not in keys:
        assert neovim.lua("return require('midfill.server').is_attached(0)") is False
    neovim.type("<Esc>")
    neovim.run("set nopaste" if "paste" in keys else "quit!")


def test_it_grows_before_a_bracket_that_was_closed(neovim: Neovim, script: Script) -> None:
    script.set("a, ", "b):\n", gated=True)
    neovim.edit(["def f()"])
    neovim.type("$i")
    neovim.until_screen("def f(«a»)")  # a comma may turn out to be the last
    neovim.type("<Tab>")
    neovim.until(lambda: neovim.lines, lambda lines: lines == ["def f(a)"])
    script.open()
    neovim.until_screen("def f(a«, b»)«:»")
    neovim.type("<Tab>")
    neovim.until(lambda: neovim.lines, lambda lines: lines == ["def f(a, b):"])


def test_tabs_are_drawn_as_wide_as_they_are(neovim: Neovim, script: Script) -> None:
    script.set("x = 1\n\tif x:\n\t\ty()\n\treturn x\n\n\nz")
    neovim.edit(["def f():", ""])
    neovim.run("setlocal noexpandtab tabstop=4")
    neovim.type("2GA<Tab>")
    neovim.until_screen("\t«x = 1»\n«    if x:»\n«        y()»\n«    return x»")


@pytest.mark.parametrize(
    ("line", "suggested"),
    [("name = 'ÄÖÜ' + ", "größe"), ("print('😀👩‍💻', ", "'🎉')"), ("x = '日本' and ", "'語'")],
)
def test_columns_hold_beyond_ascii(
    neovim: Neovim, script: Script, line: str, suggested: str
) -> None:
    script.set(suggested)
    neovim.edit(["# 😀 Ω", line])
    neovim.type("2GA")
    neovim.until_screen(f"{line}«{suggested}»")
    neovim.type(suggested[0])
    neovim.until_screen(f"{line}{suggested[0]}«{suggested[1:]}»")
    neovim.type("<Tab>")
    neovim.until(lambda: neovim.lines[1], lambda text: text == line + suggested)
    assert neovim.cursor == (2, len((line + suggested).encode()))


def test_crlf_files_keep_their_line_ends(neovim: Neovim, script: Script) -> None:
    script.set("x = 1\n    if x:\n        y()\n    return x\n\n\nz")
    neovim.edit(["def f():", ""], options="++ff=dos")
    assert neovim.lua("return vim.bo.fileformat") == "dos"
    neovim.type("2GA    ")
    neovim.until_screen("    «x = 1»\n«    if x:»\n«        y()»\n«    return x»")
    neovim.type("<Tab>")
    wanted = ["def f():", "    x = 1", "    if x:", "        y()", "    return x"]
    neovim.until(lambda: neovim.lines, lambda lines: lines == wanted)
    neovim.type("<Esc>")
    neovim.run("write")
    written = Path(neovim.lua("return vim.api.nvim_buf_get_name(0)")).read_bytes()
    assert written == b"".join(line.encode() + b"\r\n" for line in wanted)


def test_nothing_is_suggested_where_no_text_is(neovim: Neovim, script: Script) -> None:
    """Behind the line's end it was drawn, and accepted, at the end."""
    script.set("a + b")
    neovim.edit(ADD)
    neovim.run("set virtualedit=all")
    neovim.type("2GA")
    neovim.until_screen("    return «a + b»")
    neovim.type("<Right><Right>")
    neovim.until_screen("    return ")
    neovim.type("<M-\\><Tab><Esc>")
    neovim.run("set virtualedit&")
    assert "a + b" not in neovim.lines[1]


def test_a_file_that_gets_another_name_is_known_by_it(neovim: Neovim, script: Script) -> None:
    """`:file NAME` ended suggestions until it was written."""
    script.set("a + b")
    neovim.edit(ADD)
    neovim.run("file renamed.py")
    neovim.type("2GA")
    neovim.until_screen("    return «a + b»")
    assert neovim.ask_server("midfill.explain")["uri"].endswith("/renamed.py")
