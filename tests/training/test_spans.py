"""Spans of the middle: inside the text, at the places where editors ask."""

import random

import pytest
from training.spans import SpanShares, middle_span
from training.syntax import WINDOW_CHARS, node_span

NONE = {"rest_of_line": 0.0, "inside_line": 0.0, "whole_lines": 0.0, "block": 0.0, "syntax": 0.0}
KINDS = {
    "python": "value = call(1, [2, 3])\nif value:\n    print(value)\n",
    "javascript": "const value = call(1, [2, 3]);\nif (value) { console.log(value); }\n",
    "typescript": "const value: number = call(1, [2, 3]);\n",
    "c": "int value = call(1, 2);\nif (value) { print(value); }\n",
    "cpp": "auto value = call<int>(1, 2);\n",
    "shell": 'value=$(call 1 2)\nif [ -n "$value" ]; then echo "$value"; fi\n',
}


@pytest.mark.parametrize("kind", ["rest_of_line", "whole_lines", "block"])
def test_line_spans_end_with_a_line(code: str, kind: str) -> None:
    for seed in range(300):
        shares = SpanShares(**{**NONE, kind: 1.0})
        start, end = middle_span(code, "python", random.Random(seed), shares)
        assert 0 <= start <= end <= len(code)
        assert end == len(code) or code[end] == "\n"


def test_inside_a_line_the_rest_begins_with_what_closes_it(code: str) -> None:
    seen: set[str] = set()
    for seed in range(300):
        shares = SpanShares(**{**NONE, "inside_line": 1.0})
        start, end = middle_span(code, "python", random.Random(seed), shares)
        assert "\n" not in code[start:end]
        seen.add(code[end : end + 1])
    assert {")", '"', ":", "]"} <= seen


def test_empty_lines_only() -> None:
    shares = SpanShares(**{**NONE, "rest_of_line": 1.0})
    assert middle_span("\n\n\n", "python", random.Random(0), shares) == (3, 3)


@pytest.mark.parametrize("language", KINDS)
def test_nodes_end_where_syntax_does(language: str) -> None:
    text = KINDS[language]
    found: set[str] = set()
    for seed in range(200):
        span = node_span(text, language, random.Random(seed))
        if span is not None:
            start, end = span
            assert 0 <= start < end <= len(text)
            found.add(text[start:end])
    assert len(found) > 5
    assert any("call" in each for each in found)


def test_nodes_count_code_points_not_bytes() -> None:
    text = 'name = "🙂é"\nother = name\n'
    found = {text[slice(*span)] for seed in range(300) if (span := draw(text, seed)) is not None}
    assert '"🙂é"' in found
    assert "other" in found


def test_long_texts_are_parsed_in_a_window(code: str) -> None:
    text = code * 40
    assert len(text) > WINDOW_CHARS
    spans = [span for seed in range(40) if (span := draw(text, seed)) is not None]
    assert len(spans) > 30
    assert max(end for _, end in spans) > WINDOW_CHARS


def test_a_language_without_a_grammar_has_no_nodes() -> None:
    assert node_span("# Title\n\nText.\n", "markdown", random.Random(0)) is None


def draw(text: str, seed: int) -> tuple[int, int] | None:
    return node_span(text, "python", random.Random(seed))
