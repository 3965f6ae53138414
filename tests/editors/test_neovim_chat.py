"""`:MidfillChat` in real Neovim, with chosen answers."""

from __future__ import annotations

import pytest

from tests.editors.neovim import Neovim
from tests.editors.script import Script

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_NUM_BLOCKS = (
    "#vim.api.nvim_buf_get_extmarks(0, vim.api.nvim_get_namespaces()['midfill.blocks'], 0, -1, {})"
)

_IS_QUIET = "return vim.tbl_isempty(require('midfill.wire').growing)"


def begin(neovim: Neovim) -> None:
    """Open a file, and an empty conversation beside it."""
    neovim.edit(["x = 1", "y = 2"])
    neovim.run("MidfillChat!")


def until_lines(neovim: Neovim, *lines: str) -> None:
    neovim.until(lambda: neovim.lines, lambda now: now == list(lines))


def end(neovim: Neovim) -> None:
    neovim.type("<Esc>")
    neovim.run("only!")


def test_an_answer_grows_above_the_prompt(neovim: Neovim, script: Script) -> None:
    script.set("It pairs ", "the items\nof two lists.", gated=True)
    begin(neovim)
    neovim.type("What does zip do?<CR>")
    until_lines(neovim, "> What does zip do?", "It pairs ", "", "> ")
    script.open()
    until_lines(neovim, "> What does zip do?", "It pairs the items", "of two lists.", "", "> ")
    script.set("Yes.")
    neovim.type("Sure?<CR>")
    until_lines(
        neovim,
        *("> What does zip do?", "It pairs the items", "of two lists.", "", "> Sure?", "Yes."),
        *("", "> "),
    )
    assert [message["content"] for message in script.chats()[-1]] == [
        "What does zip do?",
        "It pairs the items\nof two lists.",
        "Sure?",
    ]
    end(neovim)


def test_lines_are_part_of_the_question(neovim: Neovim, script: Script) -> None:
    script.set("One.")
    begin(neovim)
    end(neovim)
    neovim.edit(["x = 1", "y = 2", "z = 3"])
    neovim.run("2,3MidfillChat What is this?")
    neovim.until(lambda: neovim.lines, lambda lines: "One." in lines)
    question = script.chats()[-1][-1]
    assert "What is this?" in question["content"]
    assert "y = 2\nz = 3" in question["content"]
    assert "x = 1" not in question["content"]
    end(neovim)


def test_an_answer_can_be_stopped(neovim: Neovim, script: Script) -> None:
    script.set("It pairs ", "the items.", gated=True)
    begin(neovim)
    neovim.type("What does zip do?<CR>")
    until_lines(neovim, "> What does zip do?", "It pairs ", "", "> ")
    neovim.type("<C-c>")  # which throws away keys that have come behind it
    neovim.until(lambda: neovim.lua(_IS_QUIET), bool)
    script.open()
    script.set("Yes.")
    neovim.type("Sure?<CR>")
    until_lines(neovim, "> What does zip do?", "It pairs ", "", "> Sure?", "Yes.", "", "> ")
    end(neovim)


def test_what_fails_is_told_where_the_answer_would_be(neovim: Neovim, script: Script) -> None:
    script.set(error="this model cannot chat")
    begin(neovim)
    neovim.type("Hello?<CR>")
    until_lines(neovim, "> Hello?", "*this model cannot chat*", "", "> ")
    script.set("Hello.")
    neovim.type("Hello?<CR>")
    neovim.until(lambda: neovim.lines, lambda lines: "Hello." in lines)
    assert len(script.chats()[-1]) == 1  # a question without an answer is forgotten
    end(neovim)


def test_lines_are_rewritten_once_the_user_says_so(neovim: Neovim, script: Script) -> None:
    script.set("```python\nx = 10\nz = 3\nw", " = 4\n```\n", gated=True)
    neovim.edit(["a = 0", "x = 1", "y = 2"])
    neovim.run("2MidfillEdit make it ten")
    neovim.until(lambda: neovim.lines, lambda lines: lines[0] == "x = 10")  # the preview
    script.open()
    until_lines(neovim, "x = 10", "z = 3", "w = 4")
    neovim.until_lua("vim.wo.winbar:find('applies it') ~= nil", True)
    neovim.type("<C-w>p")
    assert neovim.lines == ["a = 0", "x = 1", "y = 2"]
    neovim.type("ggO<Esc><C-w>p<CR>")  # a line above moves it along
    until_lines(neovim, "", "a = 0", "x = 10", "z = 3", "w = 4", "y = 2")
    neovim.type("u")
    assert neovim.lines == ["", "a = 0", "x = 1", "y = 2"]


def test_a_fix_is_applied_where_it_belongs(neovim: Neovim, script: Script) -> None:
    script.set("Ten it is:\n\n```python\n    x = 10\n```\n\nDone.")
    begin(neovim)
    end(neovim)
    neovim.edit(["if y:", "    x = 1", "z = 3"])
    neovim.run("2MidfillChat /fix it should be ten")
    neovim.until_lua(_NUM_BLOCKS, 1)
    neovim.type("<Esc><C-w>pggO<Esc><C-w>p")  # a line above moves it along
    neovim.type("gy")
    assert neovim.lua("return vim.fn.getreg('\"')") == "    x = 10\n"
    neovim.type("ga")
    neovim.until_lua("vim.wo.winbar:find('applies it') ~= nil", True)
    assert neovim.lines == ["    x = 10"]
    neovim.type("<CR>")
    neovim.run("messages clear")
    neovim.type("ga")  # it is there already
    wanted = "its lines have changed meanwhile"
    neovim.until(lambda: neovim.run("messages"), lambda messages: wanted in messages)
    neovim.type("<C-w>w")
    assert neovim.lines == ["", "if y:", "    x = 10", "z = 3"]
    neovim.type("u")
    assert neovim.lines == ["", "if y:", "    x = 1", "z = 3"]
    end(neovim)


def test_a_block_that_belongs_nowhere_is_only_yanked(neovim: Neovim, script: Script) -> None:
    script.set("So:\n\n```python\nx = 10\n```\n")
    begin(neovim)
    neovim.type("How?<CR>")
    neovim.until_lua(_NUM_BLOCKS, 1)
    neovim.run("messages clear")
    neovim.type("<Esc>ga")
    wanted = "takes the place of no lines"
    neovim.until(lambda: neovim.run("messages"), lambda messages: wanted in messages)
    end(neovim)


def test_an_edit_is_discarded(neovim: Neovim, script: Script) -> None:
    script.set("```python\nx = 10\n```\n")
    neovim.edit(["x = 1"])
    neovim.run("1MidfillEdit make it ten")
    neovim.until_lua("vim.wo.winbar:find('applies it') ~= nil", True)
    neovim.type("q")
    until_lines(neovim, "x = 1")


def test_an_edit_of_lines_that_changed_is_refused(neovim: Neovim, script: Script) -> None:
    script.set("```python\nx = 10\n```\n")
    neovim.edit(["x = 1"])
    neovim.run("1MidfillEdit make it ten")
    neovim.until_lua("vim.wo.winbar:find('applies it') ~= nil", True)
    neovim.run("messages clear")
    neovim.type("<C-w>pA + 1<Esc><C-w>p<CR>")
    wanted = "the lines have changed meanwhile"
    neovim.until(lambda: neovim.run("messages"), lambda messages: wanted in messages)
    assert neovim.lines == ["x = 1 + 1"]


def test_an_answer_that_is_no_code_changes_nothing(neovim: Neovim, script: Script) -> None:
    script.set("I cannot do that.")
    neovim.edit(["x = 1"])
    neovim.run("messages clear")
    neovim.run("1MidfillEdit make it ten")
    neovim.until(lambda: neovim.run("messages"), lambda messages: "Midfill: " in messages)
    until_lines(neovim, "x = 1")
