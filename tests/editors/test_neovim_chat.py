"""`:MidfillChat` in real Neovim, with chosen answers."""

from __future__ import annotations

import pytest

from tests.editors.chat import IS_QUIET, begin, edit_alone, end
from tests.editors.neovim import Neovim
from tests.editors.script import Script

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_NUM_BLOCKS = (
    "#vim.api.nvim_buf_get_extmarks(0, vim.api.nvim_get_namespaces()['midfill.blocks'], 0, -1, {})"
)
_BUFFER = "return vim.fn.bufnr('midfill://chat')"


def test_an_answer_grows_above_the_prompt(neovim: Neovim, script: Script) -> None:
    script.set("It pairs ", "the items\nof two lists.", gated=True)
    begin(neovim)
    neovim.type("What does zip do?<CR>")
    neovim.until_lines("> What does zip do?", "It pairs ", "", "> ")
    script.open()
    neovim.until_lines("> What does zip do?", "It pairs the items", "of two lists.", "", "> ")
    script.set("Yes.")
    neovim.type("Sure?<CR>")
    neovim.until_lines(
        *("> What does zip do?", "It pairs the items", "of two lists.", "", "> Sure?", "Yes."),
        *("", "> "),
    )
    assert [message["content"] for message in script.chats()[-1]] == [
        "What does zip do?",
        "It pairs the items\nof two lists.",
        "Sure?",
    ]
    end(neovim)


def test_an_answer_can_be_stopped(neovim: Neovim, script: Script) -> None:
    script.set("It pairs ", "the items.", gated=True)
    begin(neovim)
    neovim.type("What does zip do?<CR>")
    neovim.until_lines("> What does zip do?", "It pairs ", "", "> ")
    neovim.type("<C-c>")  # which throws away keys that have come behind it
    neovim.until_lua(IS_QUIET, True)
    script.open()
    script.set("Yes.")
    neovim.type("Sure?<CR>")
    neovim.until_lines("> What does zip do?", "It pairs ", "", "> Sure?", "Yes.", "", "> ")
    end(neovim)


def test_what_fails_is_told_where_the_answer_would_be(neovim: Neovim, script: Script) -> None:
    script.set(error="this model cannot chat")
    begin(neovim)
    neovim.type("Hello?<CR>")
    neovim.until_lines("> Hello?", "*this model cannot chat*", "", "> ")
    script.set("Hello.")
    neovim.type("Hello?<CR>")
    neovim.until(lambda: neovim.lines, lambda lines: "Hello." in lines)
    assert len(script.chats()[-1]) == 1  # a question without an answer is forgotten
    end(neovim)


def test_a_fix_is_applied_where_it_belongs(neovim: Neovim, script: Script) -> None:
    script.set("Ten it is:\n\n```python\n    x = 10\n```\n\nDone.")
    edit_alone(neovim, ["if y:", "    x = 1", "z = 3"])
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
    neovim.until_message("its lines have changed meanwhile")
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
    neovim.until_message("takes the place of no lines")
    end(neovim)


def test_what_was_fixed_stays_part_of_the_conversation(neovim: Neovim, script: Script) -> None:
    script.set("So:\n\n```python\nx = 10\nz = 20\n```\n")
    edit_alone(neovim, ["a = 0", "x = 1", "b = 2"])
    neovim.run("2MidfillChat /fix it should be ten")
    neovim.until_lua(_NUM_BLOCKS, 1)
    neovim.type("<Esc>ga")
    neovim.until_lua("vim.wo.winbar:find('applies it') ~= nil", True)
    neovim.type("<CR>")
    script.set("Two.")
    neovim.run("MidfillChat And now?")
    neovim.until(lambda: neovim.lines, lambda lines: "Two." in lines)
    assert "```python\nx = 10\nz = 20\n```" in script.chats()[-1][-1]["content"]
    end(neovim)


@pytest.mark.parametrize("command", ["bdelete", "bunload", "bwipeout"])
def test_a_deleted_buffer_ends_the_conversation(
    neovim: Neovim, script: Script, command: str
) -> None:
    """The answer raised Lua errors from then on, and the buffer came back as one of plain text."""
    script.set("It pairs ", "the items.", gated=True)
    begin(neovim)
    neovim.type("What does zip do?<CR>")
    neovim.until_lines("> What does zip do?", "It pairs ", "", "> ")
    neovim.run("messages clear")
    neovim.type("<Esc>")
    neovim.run(f"{command} | MidfillChat")
    script.open()
    script.set("Yes.")
    neovim.type("Sure?<CR>")
    neovim.until_lines("> Sure?", "Yes.", "", "> ")
    assert [message["content"] for message in script.chats()[-1]] == ["Sure?"]
    assert neovim.lua("return vim.fn.maparg('ga', 'n')")
    assert "midfill" not in neovim.run("messages")
    end(neovim)
    neovim.run(f"{command} {neovim.lua(_BUFFER)}")
    neovim.until_lua("vim.fn.bufexists('midfill://chat')", 0)


@pytest.mark.parametrize("keys", ["u", "ggdG"])
def test_an_answer_survives_what_is_done_to_its_lines(
    neovim: Neovim, script: Script, keys: str
) -> None:
    """Undo took away a part, the rest was a Lua error, and the next question held the prompt."""
    script.set("one\ntwo\n", "three", gated=True)
    begin(neovim)
    neovim.type("hi<CR>")
    neovim.until_lines("> hi", "one", "two", "", "", "> ")
    neovim.run("messages clear")
    neovim.type(f"<Esc>{keys}")
    script.open()
    neovim.until(lambda: neovim.lines, lambda lines: "three" in lines)
    script.set("Yes.")
    neovim.type("GAmore<CR>")
    neovim.until(lambda: neovim.lines, lambda lines: "Yes." in lines)
    told = [message["content"] for message in script.chats()[-1]]
    assert told == ["hi", "one\ntwo\nthree", "more"]
    assert "chat.lua" not in neovim.run("messages")
    end(neovim)


def test_without_room_for_the_chat_a_sentence_tells_why(neovim: Neovim) -> None:
    """It was a Lua error with its stack."""
    neovim.edit([])
    neovim.run("messages clear")
    neovim.type("q:")
    neovim.try_to("MidfillChat Why?")
    neovim.until_message("Midfill: E11: Invalid in command-line window")
    neovim.run("quit")
    neovim.until_lua("vim.fn.getcmdwintype()", "")
    assert "stack traceback" not in neovim.run("messages")
