"""Infill by chat: the question, and what is taken out of an answer."""

from __future__ import annotations

import pytest

from midfill_lsp import hole

PREFIX = "def add(a, b):\n    # sum\n    return "
SUFFIX = "\n\n\nprint(add(1, 2))\n"


def test_many_blanks_are_gone_over_once() -> None:
    # Each of them was tried for the first: minutes for an answer that runs on in blanks.
    blanks = " " * 300_000
    assert hole.clean(f"x{blanks}y", PREFIX, SUFFIX) == f"x{blanks}y"
    assert hole.clean(f"```\nx{blanks}y\n```", PREFIX, SUFFIX) == f"x{blanks}y"


def test_the_question_marks_the_hole_once() -> None:
    system, question = hole.ask(PREFIX, SUFFIX, is_line=True, language_id="python")
    assert "no code fence" in system
    assert f"{PREFIX}<|HOLE|>{SUFFIX}" in question
    assert "(python)" in question
    assert "at most one line" in question


def test_a_marker_in_the_text_is_not_the_marker() -> None:
    assert hole.marker_for("<|HOLE|>", "<|HOLE-2|>") == "<|HOLE-3|>"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("a + b", "a + b"),
        ("a + b\n", "a + b\n"),
        ("```python\na + b\n```", "a + b"),
        ("```\na + b\n```\nThis adds two numbers.", "a + b"),
        ("Sure! Here is the code:\n\n```python\na + b\n```\nHope it helps.", "a + b"),
        ("return a + b", "a + b"),
        ("    return a + b", "a + b"),
        ("    # sum\n    return a + b", "a + b"),
        ("def add(a, b):\n    # sum\n    return a + b", "a + b"),
        (f"```python\n{PREFIX}a + b{SUFFIX}```", "a + b"),
        ("a + b\n\n\nprint(add(1, 2))\n", "a + b\n\n"),
        ("a + b<|HOLE|>", "a + b"),
        ("`a + b`", "a + b"),
        ("<think>\nThe hole wants a sum.\n</think>\na + b", "a + b"),
        ("<think>\nstill thinking", ""),
        ("", ""),
        ("Sure, I can help with that.", ""),
        ("I'm sorry, but I cannot do that.", ""),
        ("The missing code is a + b.", ""),
        ("Here is the completed code", ""),
        ("You can return the sum of a and b.", ""),
        ("nothing is missing", ""),
    ],
)
def test_answers(answer: str, text: str) -> None:
    cleaned = hole.clean(answer, PREFIX, SUFFIX)
    assert cleaned is not None
    assert cleaned.rstrip("\n") == text.rstrip("\n")


def test_backticks_stay_where_they_are_code() -> None:
    assert hole.clean("`${a}`", "const x = `a`;\nconst y = ", ";\n") == "`${a}`"


def test_in_a_comment_sentences_are_welcome() -> None:
    assert hole.clean("The code below adds.", "# ", "\n") == "The code below adds."
    assert hole.clean("Sure! The code below adds.", "# ", "\n") == ""


def test_an_echo_of_a_long_prefix() -> None:
    prefix = "".join(f"name_{idx} = {idx}\n" for idx in range(80)) + "total = "
    assert hole.clean(prefix + "sum(x)", prefix, "\n") == "sum(x)"
    assert hole.clean("name_0 = 0\nelse entirely", prefix, "\n") == ""


def test_the_indentation_that_stands_there_already() -> None:
    assert hole.clean("    pass\n", "def f():\n    ", "\n") == "pass\n"


@pytest.mark.parametrize(
    "answer",
    [
        "x = 1\n    if x:\n        y()\n    return x\n",
        "```python\nx = 1\n    if x:\n        y()\n    return x\n```\nDone.",
        "Sure:\n```\nx = 1\n    if x:\n        y()\n    return x\n```",
        "def f():\n    x = 1\n    if x:\n        y()\n    return x\n",
        "<think>a\nb</think>x = 1\n    return x\n",
        "I am sorry\nbut no\n",
    ],
)
def test_what_is_shown_early_is_only_extended(answer: str) -> None:
    prefix, suffix = "def f():\n    ", "\n\nf()\n"
    final = hole.clean(answer, prefix, suffix)
    assert final is not None
    shown = ""
    for end in range(len(answer) + 1):
        text = hole.clean(answer[:end], prefix, suffix, finished=False)
        if text is not None:
            assert text.startswith(shown), answer[:end]
            shown = text
    assert final.startswith(shown.rstrip("\n"))
