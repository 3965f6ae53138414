"""Stop texts across pieces; the result does not depend on the cuts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midfill_engine.text.stop import StopMatcher


def _run(stops: list[str], pieces: list[str]) -> tuple[str, str | None]:
    matcher = StopMatcher(stops)
    shown = "".join(matcher.feed(piece) for piece in pieces)
    return (shown if matcher.matched else shown + matcher.flush()), matcher.matched


@pytest.mark.parametrize(
    ("stops", "pieces", "shown", "matched"),
    [
        ([], ["ab"], "ab", None),
        (["\n"], ["a", "b\nc"], "ab", "\n"),
        (["END"], ["xE", "N", "D", "y"], "x", "END"),
        (["END"], ["xE", "N", "xEN"], "xENxEN", None),
        (["aab"], ["aaab"], "a", "aab"),
        (["abc", "b"], ["abc"], "a", "b"),
        (["bc", "abc"], ["abc"], "", "abc"),
        (["", "x"], ["ax"], "a", "x"),
        (["😀"], ["a😀b"], "a", "😀"),
    ],
)
def test_cases(stops: list[str], pieces: list[str], shown: str, matched: str | None) -> None:
    assert _run(stops, pieces) == (shown, matched)


def test_only_an_undecided_tail_is_held_back() -> None:
    matcher = StopMatcher(["\n\n"])
    assert [matcher.feed(piece) for piece in ("a", "\n", "b", "\n")] == ["a", "", "\nb", ""]
    assert matcher.flush() == "\n"
    assert matcher.flush() == ""


def test_nothing_follows_a_match() -> None:
    matcher = StopMatcher(["x"])
    assert matcher.feed("axb") == "a"
    assert matcher.feed("more") == ""
    assert matcher.flush() == ""


_TEXT = st.text("ab\n", max_size=12)


@given(stops=st.lists(_TEXT, max_size=4), pieces=st.lists(_TEXT, max_size=6))
def test_cuts_do_not_matter(stops: list[str], pieces: list[str]) -> None:
    assert _run(stops, pieces) == _run(stops, list("".join(pieces)))


@given(stops=st.lists(_TEXT, max_size=4), pieces=st.lists(_TEXT, max_size=6))
def test_shown_text_is_the_text_before_the_stop(stops: list[str], pieces: list[str]) -> None:
    shown, matched = _run(stops, pieces)
    assert "".join(pieces).startswith(shown + (matched or ""))
    assert not any(stop and stop in shown for stop in stops)
