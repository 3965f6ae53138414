"""`:MidfillChat` in real Neovim, with chosen answers."""

from __future__ import annotations

import pytest

from tests.editors.neovim import Neovim
from tests.editors.script import Script

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_NUM_BLOCKS = (
    "#vim.api.nvim_buf_get_extmarks(0, vim.api.nvim_get_namespaces()['midfill.blocks'], 0, -1, {})"
)

_BUFFER = "return vim.fn.bufnr('midfill://chat')"
_IS_QUIET = "return vim.tbl_isempty(require('midfill.wire').growing)"


def begin(neovim: Neovim) -> None:
    """Open a file, and an empty conversation beside it."""
    neovim.edit(["x = 1", "y = 2"])
    neovim.run("MidfillChat!")


def end(neovim: Neovim) -> None:
    neovim.type("<Esc>")
    neovim.run("only!")


def edit_alone(neovim: Neovim, lines: list[str]) -> None:
    """Open a file of these lines; a conversation is begun, and out of sight."""
    begin(neovim)
    end(neovim)
    neovim.edit(lines)


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


def test_lines_are_part_of_the_question(neovim: Neovim, script: Script) -> None:
    script.set("One.")
    edit_alone(neovim, ["x = 1", "y = 2", "z = 3"])
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
    neovim.until_lines("> What does zip do?", "It pairs ", "", "> ")
    neovim.type("<C-c>")  # which throws away keys that have come behind it
    neovim.until(lambda: neovim.lua(_IS_QUIET), bool)
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


def test_lines_are_sent_as_they_are_by_then(neovim: Neovim, script: Script) -> None:
    """The second question told of other lines: those that had come to where the first ones were."""
    script.set("One.")
    edit_alone(neovim, ["def a():", "    return 1", "", "def b():", "    return 2"])
    neovim.run("4,5MidfillChat What is this?")
    neovim.until(lambda: neovim.lines, lambda lines: "One." in lines)
    neovim.type("<Esc><C-w>pggOimport os<Esc>G$r3")
    neovim.run("MidfillChat And now?")
    neovim.until(lambda: neovim.lines, lambda lines: lines.count("One.") == 2)
    question = script.chats()[-1][-1]["content"]
    assert "lines 5 to 6" in question
    assert "```python\ndef b():\n    return 3\n```" in question
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


def test_lines_that_are_gone_are_sent_no_more(neovim: Neovim, script: Script) -> None:
    script.set("One.")
    edit_alone(neovim, ["x = 1", "y = 2", "z = 3"])
    neovim.run("2,3MidfillChat What is this?")
    neovim.until(lambda: neovim.lines, lambda lines: "One." in lines)
    neovim.type("<Esc><C-w>pGdk")
    assert neovim.lines == ["x = 1"]
    said = neovim.run("MidfillChat And now?")
    assert "lines that the conversation was about are gone" in said
    neovim.until(lambda: neovim.lines, lambda lines: lines.count("One.") == 2)
    assert script.chats()[-1][-1]["content"] == "And now?"
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


def test_undo_at_the_prompt_leaves_the_conversation(neovim: Neovim, script: Script) -> None:
    script.set("Yes.")
    begin(neovim)
    neovim.run("MidfillChat hi")
    neovim.until_lines("> hi", "Yes.", "", "> ")
    neovim.type("<Esc>GAmore<Esc>uuu")
    neovim.until(lambda: neovim.lines[-1], lambda line: line.startswith("> "))
    assert neovim.lines[:-1] == ["> hi", "Yes.", ""]
    end(neovim)


def test_a_question_of_several_lines_is_pasted(neovim: Neovim, script: Script) -> None:
    """Before 0.12, whose prompt is one line, it was not sent, and nothing said so."""
    script.set("Yes.")
    begin(neovim)
    for _ in range(2):
        neovim.lua("vim.api.nvim_paste(..., true, -1)", "Why?\nTraceback:\n  File x")
        neovim.type(", you see<CR>")
        neovim.until_lua(_IS_QUIET.removeprefix("return "), True)
    neovim.until(lambda: neovim.lines, lambda lines: lines.count("Yes.") == 2)
    question = script.chats()[-1][-1]["content"]
    assert question.replace("\n, you see", ", you see") == "Why?\nTraceback:\n  File x, you see"
    end(neovim)


def test_a_question_of_the_command_line_leaves_what_is_typed(
    neovim: Neovim, script: Script
) -> None:
    script.set("Yes.")
    begin(neovim)
    neovim.type("half a qu")
    neovim.until_lines("> half a qu")
    neovim.run("MidfillChat hi")
    neovim.until_lines("> hi", "Yes.", "", "> half a qu")
    neovim.type("estion<CR>")
    neovim.until(lambda: neovim.lines, lambda lines: lines.count("Yes.") == 2)
    assert script.chats()[-1][-1]["content"] == "half a question"
    end(neovim)


def test_lines_of_what_is_no_file_are_refused(neovim: Neovim, script: Script) -> None:
    """The question was asked, and the answer was that the buffer is not open."""
    num_chats = len(script.chats())
    neovim.edit([])
    neovim.run("enew | setlocal buftype=nofile | call setline(1, ['x', 'y'])")
    neovim.run("messages clear")
    neovim.try_to("%MidfillChat What is this?")
    neovim.until_message("this buffer is none that the language server knows")
    assert neovim.lines == ["x", "y"]
    assert len(script.chats()) == num_chats


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
