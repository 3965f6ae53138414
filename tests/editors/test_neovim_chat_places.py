"""The lines that `:MidfillChat` is asked about in real Neovim: what of them is sent."""

from __future__ import annotations

import pytest

from tests.editors.chat import begin, edit_alone, end
from tests.editors.neovim import WIPE_WITHOUT_NAME, Neovim
from tests.editors.script import Script

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


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


def test_lines_of_a_buffer_without_a_name_are_never_anothers(
    neovim: Neovim, script: Script
) -> None:
    """All of them have one URI; the server knows the current one by it."""
    script.set("One.")
    edit_alone(neovim, [])
    neovim.run("enew! | call setline(1, ['x = 1', 'y = 2'])")
    neovim.run("1,2MidfillChat What is this?")
    neovim.until(lambda: neovim.lines, lambda lines: "One." in lines)
    assert "x = 1\ny = 2" in script.chats()[-1][-1]["content"]
    neovim.type("<Esc><C-w>p")
    neovim.run("new | call setline(1, ['z = 3', 'z = 4'])")
    told = neovim.run("MidfillChat And now?")
    assert "without lines of a buffer that the language server does not know now" in told
    neovim.until(lambda: neovim.lines, lambda lines: lines.count("One.") == 2)
    assert "z = " not in script.chats()[-1][-1]["content"]
    end(neovim)
    neovim.edit([])
    neovim.lua(WIPE_WITHOUT_NAME)


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


def test_what_is_refused_leaves_the_conversation(neovim: Neovim, script: Script) -> None:
    """`:%MidfillChat!` had thrown it away by then."""
    script.set("Yes.")
    begin(neovim)
    neovim.type("hi<CR>")
    neovim.until_lines("> hi", "Yes.", "", "> ")
    neovim.run("messages clear")
    neovim.try_to("%MidfillChat! What is this?")  # the conversation itself is no file
    neovim.until_message("this buffer is none that the language server knows")
    assert neovim.lines == ["> hi", "Yes.", "", "> "]
    end(neovim)


def test_lines_of_a_chat_that_could_not_be_opened_are_no_part_of_it(
    neovim: Neovim, script: Script
) -> None:
    script.set("One.")
    edit_alone(neovim, ["x = 1", "y = 2", "z = 3"])
    neovim.run("messages clear")
    num_lines = neovim.lua("return vim.o.lines")
    neovim.run("set winheight=4 winminheight=4 lines=8")
    neovim.try_to("1,2MidfillChat! What is this?")
    neovim.until_message("Midfill: E36: Not enough room")
    neovim.run(f"set winminheight& winheight& lines={num_lines}")
    neovim.run("MidfillChat And now?")
    neovim.until(lambda: neovim.lines, lambda lines: "One." in lines)
    assert script.chats()[-1][-1]["content"] == "And now?"
    end(neovim)


def test_lines_that_are_asked_about_again_are_sent_once(neovim: Neovim, script: Script) -> None:
    script.set("One.")
    edit_alone(neovim, ["x = 1", "y = 2", "z = 3"])
    for lines in ("1,2", "3", "1,2"):
        neovim.run(f"{lines}MidfillChat What is this?")
        neovim.until(lambda: neovim.lines[-3:], lambda last: last == ["One.", "", "> "])
        neovim.type("<Esc><C-w>p")
    question = script.chats()[-1][-1]["content"]
    assert question.count("x = 1\ny = 2") == 1
    assert question.count("z = 3") == 1
    end(neovim)
