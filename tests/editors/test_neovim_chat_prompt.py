"""What is typed at the prompt of `:MidfillChat` in real Neovim, and what of it is asked."""

from __future__ import annotations

import pytest

from tests.editors.chat import IS_QUIET, begin, end
from tests.editors.neovim import Neovim
from tests.editors.script import Script

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


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
        neovim.until_lua(IS_QUIET, True)
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


@pytest.mark.parametrize("keys", ["<Esc>dd", "<Esc>:$delete<CR>"])
@pytest.mark.parametrize("question", ["What now?", "Why?\nTraceback:\n  File x"])
def test_a_question_is_asked_after_the_prompts_line_was_deleted(
    neovim: Neovim, script: Script, keys: str, question: str
) -> None:
    """Before 0.12 it was a Lua error, and not sent."""
    script.set("Yes.")
    begin(neovim)
    neovim.type("hi<CR>")
    neovim.until_lines("> hi", "Yes.", "", "> ")
    neovim.type(f"half a question{keys}A")
    neovim.until_lines("> hi", "Yes.", "> ")
    neovim.lua("vim.api.nvim_paste(..., true, -1)", question)
    neovim.type("<CR>")
    neovim.until(lambda: neovim.lines, lambda lines: lines.count("Yes.") == 2)
    assert script.chats()[-1][-1]["content"] == question
    end(neovim)


def test_a_question_may_begin_as_the_prompt_does(neovim: Neovim, script: Script) -> None:
    """Before 0.12 a quotation mark at the start of the only line was taken away."""
    script.set("Yes.")
    begin(neovim)
    neovim.type("> a is wrong<CR>")
    neovim.until_lines("> > a is wrong", "Yes.", "", "> ")
    assert script.chats()[-1][-1]["content"] == "> a is wrong"
    end(neovim)


def test_a_question_of_several_lines_comes_from_a_script(neovim: Neovim, script: Script) -> None:
    """It was a Lua error, and no change of the conversation could be undone from then on."""
    script.set("Yes.")
    begin(neovim)
    neovim.lua("vim.cmd.MidfillChat(...)", "Why?\nTraceback")
    neovim.until_lines("> Why?", "Traceback", "Yes.", "", "> ")
    assert script.chats()[-1][-1]["content"] == "Why?\nTraceback"
    neovim.type("<Esc>")
    neovim.run("normal! Ahalf")
    neovim.run("undo")
    neovim.until_lines("> Why?", "Traceback", "Yes.", "", "> ")
    end(neovim)
