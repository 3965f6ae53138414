"""What is left out where not all fits."""

from __future__ import annotations

import pytest

from midfill_lsp.backend.base import ChatMessage
from midfill_lsp.chat.budget import Budget, budget_of, fit
from midfill_lsp.chat.commands import COMMANDS, WrongCommand, split, spoken
from midfill_lsp.chat.passage import Passage
from midfill_lsp.errors import PromptTooLong

TURNS = tuple(
    ChatMessage("user" if idx % 2 == 0 else "assistant", f"{idx}" * 10) for idx in range(6)
)
CODE = Passage("a.py", "python", "".join(f"line {idx}\n" for idx in range(10)))


@pytest.mark.parametrize(
    ("chars", "kept"), [(1000, 6), (59, 4), (40, 4), (39, 2), (20, 2), (19, 0), (0, 0)]
)
def test_the_oldest_turns_go_first_and_what_stays_begins_with_a_question(
    chars: int, kept: int
) -> None:
    fitted = fit(Budget(chars, 1), "", (), TURNS)
    assert fitted.turns == TURNS[len(TURNS) - kept :]
    assert fitted.num_left_out == 6 - kept


def test_code_is_cut_at_a_line_and_says_so() -> None:
    (cut,) = fit(Budget(30, 1), "q", (CODE,), ()).passages
    assert cut.text == "line 0\nline 1\nline 2\nline 3\n"
    assert cut.num_cut == 6
    assert "lines 1 to 4, 6 more lines left out" in cut.quoted()
    assert cut.notes() == ["the last 6 lines of a.py did not fit and were left out"]


def test_turns_keep_a_share_beside_long_code() -> None:
    fitted = fit(Budget(100, 1), "", (CODE,), TURNS)
    assert fitted.turns == TURNS[-2:]
    assert sum(len(passage.text) for passage in fitted.passages) <= 70


def test_a_question_that_does_not_fit_is_told() -> None:
    with pytest.raises(PromptTooLong, match="has 50 characters and the model takes about 40"):
        fit(Budget(40, 1), "x" * 50, (), ())


@pytest.mark.parametrize("context", [None, 8, 64, 300, 2048, 32_768])
def test_question_and_answer_fit_the_context(context: int | None) -> None:
    budget = budget_of(context, 1024)
    assert budget.prompt_chars // 3 + budget.answer_tokens <= (context or 4096)
    assert budget.answer_tokens > 0


def test_a_fence_that_nothing_in_the_code_closes() -> None:
    quoted = Passage("a.md", "markdown", "````py\nx\n````").quoted()
    assert quoted.endswith("`````markdown\n````py\nx\n````\n`````")


def test_commands() -> None:
    for command in COMMANDS:
        assert split(f"/{command.name}") == (command, "")
        assert split(f"/{command.name}  but short") == (command, "but short")
        assert spoken(command, "but short", True) == f"{command.asks}\n\nbut short"
        with pytest.raises(WrongCommand, match=f"/{command.name} needs code"):
            spoken(command, " ", False)
    for text in ("explain", " /explain", "/usr/bin is what?", "/", "// x", "/1"):
        assert split(text) == (None, text)
    with pytest.raises(WrongCommand, match="no command /explian: there are /explain, /fix"):
        split("/explian it")
