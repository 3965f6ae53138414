"""What is shown under which bound, from rows and answers that can be counted by hand."""

import httpx
import pytest
from bench.cases import Case
from bench.shown import BOUNDS, Row, first_line, judge, summary

from midfill_lsp.syntax import Grammars


def row(confidence: float | None, exact: bool) -> Row:
    return Row(confidence, exact, 1.0 if exact else 0.5, refused=False, gold_refused=False)


def test_bounds_count_what_is_suggested_only() -> None:
    found = summary([row(0.9, True), row(0.45, False), row(0.25, True), row(None, False)])
    assert (found["num_cases"], found["num_suggested"]) == (4, 3)
    by_bound = {line["bound"]: line for line in found["bounds"]}
    assert tuple(by_bound) == BOUNDS
    assert by_bound[0.0]["exact"] == pytest.approx(0.667)
    half = by_bound[0.5]
    assert (half["shown"], half["exact"], half["kept"]) == (0.333, 1.0, 0.5)
    assert (half["hidden_exact"], half["similarity"]) == (0.5, 1.0)
    assert by_bound[0.0]["hidden_exact"] is None


def test_the_first_line_is_one_with_something_in_it() -> None:
    assert first_line("\n\n    x = 1  \n    y") == "x = 1"
    assert first_line(" \n") == ""


@pytest.mark.parametrize(
    ("content", "refused", "exact"), [("a + b", False, True), ("return a", True, False)]
)
def test_a_case_is_asked_and_judged(content: str, refused: bool, exact: bool) -> None:
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.content)
        logprobs = [[len(content), -0.5]]
        return httpx.Response(
            200, json={"content": content, "stop_type": "word", "logprobs": logprobs}
        )

    case = Case("line", "p", "p.py", "python", "def f(a, b):\n    return ", "\n", "a + b")
    with httpx.Client(base_url="http://x", transport=httpx.MockTransport(answer)) as client:
        found = judge(case, client, Grammars())
    assert (found.refused, found.exact, found.gold_refused) == (refused, exact, False)
    assert found.confidence == (None if refused else 0.607)
    assert b'"logprobs":true' in asked[0]
