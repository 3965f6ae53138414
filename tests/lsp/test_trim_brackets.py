"""Brackets around the cursor: what escapes mean, and what contrived texts cost."""

from __future__ import annotations

import pytest

from midfill_lsp.trim import brackets

LANGUAGES = ["python", "c", "rust"]


@pytest.mark.parametrize("language_id", LANGUAGES)
@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_line_of_escaped_quotes_is_read_once(language_id: str, quote: str) -> None:
    """16,000 of them took 19 s, and four times that with twice as many."""
    head = f"x = {quote}" + rf"\{quote}" * 50_000
    assert brackets.scan(head + "\n", "f)", (), language_id) == (1, 0)
    assert brackets.scan(head + "\n", "f()", (), language_id) == (None, 0)


@pytest.mark.parametrize("language_id", LANGUAGES)
def test_the_lines_below_are_looked_at_once(language_id: str) -> None:
    allowed = brackets.allowed_closers("(" * 4_000, "\n" + "a\n" * 1_000 + ")" * 2_000, language_id)
    assert allowed == (None,) * 1_999 + (")",) * 2_001


def test_an_escaped_bracket_outside_of_strings_does_not_count() -> None:
    assert brackets.unmatched(r"grep \( file", "shellscript") == ([], [])
    assert brackets.unmatched(r"x.replace(/\(/g, '')", "javascript") == ([], [])


@pytest.mark.parametrize(
    ("head", "text", "closes"),
    [
        ("f('a', \"b", ")", None),  # still inside of the string
        ("f('a', \"b", '")', 1),
        ("f('a') # b", " )", None),
        ("f('a') ", "# )", None),
        ("f('it\\", "'s)')", 4),
    ],
)
def test_what_a_suggestion_closes_depends_on_where_the_line_stands(
    head: str, text: str, closes: int | None
) -> None:
    assert brackets.scan(head, text, (), "python")[0] == closes
