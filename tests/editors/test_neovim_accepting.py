"""Accepting, cycling, dismissing and keys of the plugin, in real Neovim with chosen suggestions."""

from __future__ import annotations

import pytest

from tests.editors.neovim import Neovim
from tests.editors.script import Script

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ADD = ["def add(a, b):", "    return "]
BLOCK = "x = 1\n    if x:\n        y()\n    return x\n\n\nz"


def shown(neovim: Neovim, script: Script, *deltas: str, samples: tuple[str, ...] = ()) -> str:
    """Have a suggestion shown behind `return `, and return it."""
    script.set(*deltas, samples=samples)
    neovim.edit(ADD)
    neovim.type("2GA")
    return neovim.until_ghost()


def until_lines(neovim: Neovim, *lines: str) -> None:
    neovim.until(lambda: neovim.lines, lambda now: now == list(lines))


def test_accepting_is_one_undo_step(neovim: Neovim, script: Script) -> None:
    script.set("= a + b")
    neovim.edit(ADD[:1])
    neovim.type("Go    total ")
    neovim.until_screen("    total «= a + b»")
    neovim.type("<Tab>")
    until_lines(neovim, ADD[0], "    total = a + b")
    neovim.type(" - 1<Esc>u")
    assert neovim.lines == [ADD[0], "    total = a + b"]
    neovim.type("u")
    assert neovim.lines == [ADD[0], "    total "]
    neovim.type("u")
    assert neovim.lines == ADD[:1]
    neovim.type("<C-r><C-r>")
    assert neovim.lines == [ADD[0], "    total = a + b"]


def test_word_by_word(neovim: Neovim, script: Script) -> None:
    shown(neovim, script, "first + _two_[x]")
    for screen in (
        "    return first« + _two_[x]»",
        "    return first +« _two_[x]»",
        "    return first + _two_«[x]»",
        "    return first + _two_[«x]»",
    ):
        neovim.type("<M-Right>")
        neovim.until_screen(screen)
    neovim.type("<Esc>u")
    assert neovim.lines[1] == "    return first + _two_"  # each word is an undo step
    neovim.type("u")
    assert neovim.lines[1] == "    return first +"


def test_line_by_line(neovim: Neovim, script: Script) -> None:
    script.set(BLOCK)
    neovim.edit(["def f():", ""])
    neovim.type("2GA    ")
    neovim.until_ghost()
    neovim.type("<M-Down>")
    neovim.until_screen("    x = 1\n«    if x:»\n«        y()»\n«    return x»")
    neovim.type("<M-Down>")
    neovim.until_screen("    if x:\n«        y()»\n«    return x»")
    neovim.type("<Tab>")
    until_lines(neovim, "def f():", "    x = 1", "    if x:", "        y()", "    return x")
    assert neovim.cursor == (5, len("    return x"))


def test_what_grows_can_be_accepted_as_far_as_it_came(neovim: Neovim, script: Script) -> None:
    script.set("alpha ", "+ beta", gated=True)
    neovim.edit(ADD)
    neovim.type("2GA")
    neovim.until_screen("    return «alpha»")
    neovim.type("<Tab>")
    until_lines(neovim, ADD[0], "    return alpha")
    script.open()


def test_an_auto_closed_bracket_is_replaced(neovim: Neovim, script: Script) -> None:
    script.set("a, b):\n")
    neovim.edit(["def f()"])
    neovim.type("$i")
    neovim.until_ghost()
    neovim.type("<M-Right>")
    neovim.until_screen("def f(a«, b»)«:»")
    neovim.type("<Tab>")
    until_lines(neovim, "def f(a, b):")


def test_an_auto_closed_bracket_is_taken_word_by_word(neovim: Neovim, script: Script) -> None:
    script.set("a):\n")
    neovim.edit(["def f()"])
    neovim.type("$i")
    neovim.until_ghost()
    neovim.type("<M-Right><M-Right>")
    until_lines(neovim, "def f(a):")


def test_statistics_are_right(neovim: Neovim, script: Script) -> None:
    neovim.edit([])  # nothing of the test before is shown from here on
    before = neovim.count_events()
    shown(neovim, script, "first + 1")
    neovim.until_whole()
    script.set("")
    neovim.type("<M-Right>")
    neovim.until_screen("    return first« + 1»")
    neovim.type("<Tab>")
    until_lines(neovim, ADD[0], "    return first + 1")
    counted = neovim.until(
        neovim.count_events,
        lambda events: events.get("accepted", 0) > before.get("accepted", 0),
    )
    changes = {name: counted[name] - before.get(name, 0) for name in counted}
    assert changes == {"shown": 1, "partly_accepted": 1, "accepted": 1}


def test_what_is_taken_while_it_grows_is_counted(neovim: Neovim, script: Script) -> None:
    neovim.edit([])
    before = neovim.count_events()
    script.set("alpha ", "+ beta", gated=True)
    neovim.edit(ADD)
    neovim.type("2GA")
    neovim.until_screen("    return «alpha»")
    neovim.type("al")
    neovim.until_screen("    return al«pha»")
    neovim.type("<Tab>")
    until_lines(neovim, ADD[0], "    return alpha")
    neovim.type("<Esc>")
    script.open()
    counted = neovim.until(
        neovim.count_events,
        lambda events: events.get("accepted", 0) > before.get("accepted", 0),
    )
    counts = ("shown", "partly_accepted", "accepted")
    assert [counted.get(name, 0) - before.get(name, 0) for name in counts] == [1, 0, 1]


def test_cycling_asks_for_more(neovim: Neovim, script: Script) -> None:
    shown(neovim, script, "a + b", samples=("b + a", "sum((a, b))"))
    neovim.type("<M-]>")
    neovim.until_screen("    return «b + a»« (2/3)»")
    neovim.type("<M-]>")
    assert neovim.screen() == "    return «sum((a, b))»« (3/3)»"
    neovim.type("<M-]>")
    assert neovim.screen() == "    return «a + b»« (1/3)»"
    neovim.type("<M-[>")
    assert neovim.screen() == "    return «sum((a, b))»« (3/3)»"
    neovim.type("s")
    assert neovim.screen() == "    return s«um((a, b))»« (3/3)»"
    neovim.type("<Tab>")
    until_lines(neovim, ADD[0], "    return sum((a, b))")


def test_dismissed_until_the_next_key(neovim: Neovim, script: Script) -> None:
    shown(neovim, script, "a + b")
    neovim.type("<C-]>")
    assert neovim.screen() == "    return "
    neovim.type("<M-\\>")  # unless it is asked for
    neovim.until_screen("    return «a + b»")


def test_tab_without_a_suggestion_is_a_tab(neovim: Neovim, script: Script) -> None:
    script.set("")
    neovim.edit(["x"])
    neovim.run("setlocal noexpandtab")
    neovim.type("A<Tab>y")
    assert neovim.lines == ["x\ty"]


def test_nothing_is_accepted_where_nothing_can_be_changed(neovim: Neovim, script: Script) -> None:
    """It was a Lua error; now the key does what it does without a suggestion."""
    shown(neovim, script, "a + b")
    before = neovim.lines
    neovim.lua("vim.bo.modifiable = false")
    neovim.run("messages clear")
    neovim.type("<Tab>")
    neovim.until_message("'modifiable' is off")
    assert "Lua" not in neovim.run("messages")
    assert neovim.lines == before
    neovim.lua("vim.bo.modifiable = true")


@pytest.mark.parametrize(
    "mapping",
    [
        "imap <Tab> <Plug>(mine)|inoremap <Plug>(mine) [mine]",
        "inoremap <expr> <Tab> '[mi' . 'ne]'",
        "lua vim.keymap.set('i', '<Tab>', function() "
        "vim.api.nvim_put({'[mine]'}, 'c', false, true) end)",
        "lua vim.keymap.set('i', '<Tab>', function() return '[mine]' end, {expr = true})",
    ],
)
def test_tab_falls_through_to_the_users_mapping(
    neovim: Neovim, script: Script, mapping: str
) -> None:
    script.set("a + b")
    neovim.lua("require('midfill.keys').release()")
    neovim.run(mapping)
    neovim.lua("require('midfill').setup(require('midfill').options)")
    try:
        neovim.edit(["x = "])
        neovim.type("A")
        neovim.until_ghost()
        neovim.type("<Tab>")
        until_lines(neovim, "x = a + b")
        script.set("")
        neovim.edit(["x = "])
        neovim.type("A<Tab>!")
        assert neovim.lines == ["x = [mine]!"]
    finally:
        neovim.lua("require('midfill.keys').release()")
        neovim.run("silent! iunmap <Tab>")
        neovim.lua("require('midfill').setup(require('midfill').options)")


def test_switched_off_in_a_buffer_and_everywhere(neovim: Neovim, script: Script) -> None:
    shown(neovim, script, "a + b")
    neovim.type("<Cmd>Midfill disable buffer<CR>")
    assert neovim.screen() == "    return "
    assert neovim.lua("return require('midfill').statusline()") == "Midfill off"
    neovim.type("<Cmd>Midfill enable buffer<CR>")
    neovim.until_screen("    return «a + b»")
    neovim.type("<Cmd>Midfill toggle<CR>")
    neovim.edit(ADD)
    neovim.type("2GA")
    assert neovim.screen() == "    return "
    neovim.type("<Cmd>Midfill toggle<CR>")
    neovim.until_screen("    return «a + b»")


def test_the_statusline_shows_how_far_the_model_is(neovim: Neovim) -> None:
    status = "require('midfill.wire').status"
    before = neovim.lua(f"return {status}")
    try:
        neovim.lua("require('midfill.wire').set_status('starting', 'the model is loading', 43)")
        assert neovim.lua("return require('midfill').statusline()") == "Midfill … 43%"
    finally:
        neovim.lua(f"{status} = ...", before)
