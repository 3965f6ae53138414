"""What of an answer is written in a selection's place, and how it is laid out."""

from __future__ import annotations

import pytest

from midfill_lsp.chat.edit import difference, moved
from midfill_lsp.chat.replacement import NoCode, code_of, lay_out, shape_of
from midfill_lsp.errors import MidfillError


@pytest.mark.parametrize(
    "answer",
    [
        "```py\nx = 1\n```",
        "Here is the code:\n\n```py\nx = 1\n```\nIt sets x.",
        "<think>```py\nno\n```</think>\n~~~\nx = 1\n~~~\n",
        "x = 1",
        "\nx = 1\n\n",
        "```py\r\nx = 1\r\n```",
    ],
)
def test_the_code_of_an_answer(answer: str) -> None:
    assert code_of(answer) == "x = 1\n"


def test_many_blanks_are_gone_over_once() -> None:
    # Each of them was tried for the first: minutes for an answer that runs on in blanks.
    code = f"x{' ' * 400_000}= 1\n"
    assert code_of(f"```\n{code}```") == code


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "answered with nothing"),
        (" \n", "answered with nothing"),
        ("Sure! I can do that for you.", "words instead of code"),
        ("I cannot help with that.", "words instead of code"),
        ("```py\nx = 1\n", "broke off"),
        ("```py\nx = 1\n```\nor\n```py\nx = 2\n```", "2 code blocks"),
    ],
)
def test_what_cannot_be_used_is_refused(answer: str, why: str) -> None:
    with pytest.raises(NoCode, match=why):
        code_of(answer)


@pytest.mark.parametrize(
    ("head", "selected", "line_end", "code", "laid"),
    [
        ("", "    a\n    b\n", "\n", "x\n  y\n", "    x\n      y\n"),
        ("", "    a\n    b\n", "\n", "    x\n      y\n", "    x\n      y\n"),
        ("", "\tif a:\n\t\tb\n", "\r\n", "if x:\n\ty\n\nz\n", "\tif x:\r\n\t\ty\r\n\r\n\tz\r\n"),
        ("", "a\nb", "\n", "x\ny\n", "x\ny"),
        ("    return ", "a", "\n", "f(\n    x\n)\n", "f(\n        x\n    )"),
        ("    ", "", "\r\n", "x\ny\n", "x\r\n    y"),
        ("", "a\n", "\n", "\n", "\n"),
        ("", "  a\n    b\n", "\r", "x\n", "  x\r"),
    ],
)
def test_indentation_and_line_ends_stay(
    head: str, selected: str, line_end: str, code: str, laid: str
) -> None:
    assert lay_out(code, shape_of(head, selected, line_end)) == laid


def test_growing_code_only_grows() -> None:
    answer = "Here:\n```py\nif x:\n    y\n    z\n```\nDone."
    shape, told = shape_of("", "  a\n", "\n"), ""
    for end in range(len(answer)):
        try:
            code = code_of(answer[:end], finished=False)
        except MidfillError:
            pytest.fail(answer[:end])
        text = lay_out(code, shape) if code else told
        assert text.startswith(told), answer[:end]
        told = text
    assert told == "  if x:\n      y\n      z\n"


@pytest.mark.parametrize(
    ("new", "place"),
    [
        ("one two three", (4, 7)),
        ("none two three", (5, 8)),
        ("one two threes", (4, 7)),
        ("two three", (0, 3)),
        ("one twa three", None),
        ("none two threes", None),
        ("", None),
    ],
)
def test_a_range_in_a_later_text(new: str, place: tuple[int, int] | None) -> None:
    assert moved(4, 7, difference("one two three", new)) == place
