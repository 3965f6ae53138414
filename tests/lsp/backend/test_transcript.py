"""The conversation as plain text, as tables."""

from __future__ import annotations

import pytest

from midfill_lsp.backend.base import ChatMessage
from midfill_lsp.backend.transcript import AnswerText, write


def test_write() -> None:
    messages = (
        ChatMessage("system", "Be brief.\n"),
        ChatMessage("user", "Hello"),
        ChatMessage("assistant", "Hi."),
        ChatMessage("user", "Bye"),
    )
    assert (
        write(messages) == "System: Be brief.\nUser: Hello\nAssistant: Hi.\nUser: Bye\nAssistant:"
    )


@pytest.mark.parametrize(
    ("deltas", "pieces", "rest", "is_stopped"),
    [
        ([" Hi", " you"], ["Hi", " you"], "", False),
        ([" ", " ", "Hi"], ["", "", "Hi"], "", False),
        (["Hi\nUser: more", "x"], ["Hi", ""], "", True),
        (["Hi\n", "Us", "er", ":"], ["Hi", "", "", ""], "", True),
        (["Hi\n", "Us", "eful"], ["Hi", "", "\nUseful"], "", False),
        (["Hi\n", "\nSystem:"], ["Hi", "\n"], "", True),
        (["Hi\nAssi"], ["Hi"], "\nAssi", False),
        ([""], [""], "", False),
    ],
)
def test_answer(deltas: list[str], pieces: list[str], rest: str, is_stopped: bool) -> None:
    answer = AnswerText()
    assert [answer.feed(delta) for delta in deltas] == pieces
    assert answer.flush() == rest
    assert answer.is_stopped is is_stopped
