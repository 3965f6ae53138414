"""Typing through a suggestion, back again, and past brackets that the editor closed."""

from __future__ import annotations

import random

import pytest

from midfill_lsp.cache import Entry, Hit, SuggestionCache

DOC = "file:///x"
PREFIX, SUFFIX, TEXT = "def f():\n    return ", "\n\nprint(f())\n", "add(a, b)"


@pytest.fixture
def cache() -> SuggestionCache:
    kept = SuggestionCache(4)
    kept.store(Entry(DOC, PREFIX, SUFFIX, TEXT, False))
    return kept


@pytest.mark.parametrize("num_typed", range(len(TEXT)))
def test_typed_through(cache: SuggestionCache, num_typed: int) -> None:
    hit = cache.match(DOC, PREFIX + TEXT[:num_typed], SUFFIX)
    assert hit == Hit(TEXT[num_typed:], False, num_typed)


@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [
        (PREFIX + TEXT, SUFFIX),  # typed to its end
        (PREFIX + "ax", SUFFIX),  # typed something else
        (PREFIX[:-1], SUFFIX),  # before the anchor
        (PREFIX, "x" + SUFFIX),
        ("x" + PREFIX[1:], SUFFIX),
        (PREFIX, ""),
        ("", SUFFIX),
    ],
)
def test_elsewhere_there_is_none(cache: SuggestionCache, prefix: str, suffix: str) -> None:
    assert cache.match(DOC, prefix, suffix) is None


def test_another_document_has_its_own(cache: SuggestionCache) -> None:
    assert cache.match("file:///y", PREFIX, SUFFIX) is None


def test_backspace_to_an_earlier_point(cache: SuggestionCache) -> None:
    cache.store(Entry(DOC, PREFIX + "x", SUFFIX, "yz", False))
    assert cache.match(DOC, PREFIX + "x", SUFFIX) == Hit("yz", False, 0)
    assert cache.match(DOC, PREFIX, SUFFIX) == Hit(TEXT, False, 0)


def test_an_auto_closed_bracket_is_taken_in(cache: SuggestionCache) -> None:
    assert cache.match(DOC, PREFIX + "add(", ")" + SUFFIX) == Hit("a, b)", True, 4)
    assert cache.match(DOC, PREFIX + "add(a", ")" + SUFFIX) == Hit("a, b)"[1:], True, 5)


def test_an_auto_closed_bracket_keeps_the_rest_of_the_line() -> None:
    cache = SuggestionCache(4)
    cache.store(Entry(DOC, "x = ", ";\n", "f(a)", False))
    assert cache.match(DOC, "x = f(", ");\n") == Hit("a);", True, 2)


def test_auto_closed_quote_and_bracket() -> None:
    cache = SuggestionCache(4)
    cache.store(Entry(DOC, "", "\n", 'f(["a", 1])', False))
    assert cache.match(DOC, 'f(["', '"])\n') == Hit('a", 1])', True, 4)


@pytest.mark.parametrize("suffix", ["]" + SUFFIX, "))" + SUFFIX])
def test_a_closer_that_no_typed_bracket_explains(cache: SuggestionCache, suffix: str) -> None:
    assert cache.match(DOC, PREFIX + "add(", suffix) is None


def test_nothing_is_left_when_the_editor_closed_the_rest() -> None:
    cache = SuggestionCache(4)
    cache.store(Entry(DOC, "x = ", "\n", "f()", False))
    assert cache.match(DOC, "x = f(", ")\n") is None


def test_only_blanks_left_are_none() -> None:
    cache = SuggestionCache(4)
    cache.store(Entry(DOC, "x", "", "y  ", False))
    assert cache.match(DOC, "xy", "") is None


def test_a_moved_window_still_matches() -> None:
    cache = SuggestionCache(4)
    text = "".join(f"line {idx}\n" for idx in range(100))
    cache.store(Entry(DOC, text, "\nend" * 20, "abc", False))
    assert cache.match(DOC, text[300:] + "a", "\nend" * 25) == Hit("bc", False, 1)
    assert cache.match(DOC, "z" + text[301:] + "a", "\nend" * 20) is None


def test_the_one_unused_for_longest_goes_first() -> None:
    cache = SuggestionCache(2)
    for name in ("one", "two"):
        cache.store(Entry(DOC, name, "", "text", False))
    cache.match(DOC, "one", "")
    cache.store(Entry(DOC, "three", "", "text", False))
    assert cache.match(DOC, "one", "") is not None
    assert cache.match(DOC, "two", "") is None
    assert len(cache) == 2


def test_the_latest_is_the_one_stored_or_matched_last_of_its_document() -> None:
    cache = SuggestionCache(4)
    assert cache.latest(DOC) == ""
    cache.store(Entry(DOC, "one", "", "first", False))
    cache.store(Entry(DOC, "two", "", "second", False))
    cache.store(Entry("another", "one", "", "other", False))
    assert cache.latest(DOC) == "second"
    cache.match(DOC, "one", "")
    assert cache.latest(DOC) == "first"
    assert cache.latest("unknown") == ""


def test_a_new_suggestion_for_the_same_place_wins(cache: SuggestionCache) -> None:
    cache.store(Entry(DOC, PREFIX, SUFFIX, "other", True))
    assert cache.match(DOC, PREFIX, SUFFIX) == Hit("other", True, 0)
    assert len(cache) == 1


def test_random_use_agrees_with_a_scan() -> None:
    rng = random.Random(1)
    cache, kept = SuggestionCache(8), dict[tuple[str, str], str]()
    for _ in range(3000):
        prefix, suffix, text = ("".join(rng.choices("ab", k=rng.randrange(1, 5))) for _ in range(3))
        if rng.random() < 0.3:
            cache.store(Entry(DOC, prefix, suffix, text, False))
            kept[prefix, suffix] = text
        hit = cache.match(DOC, prefix, suffix)
        if hit:
            anchor = len(prefix) - hit.num_typed
            whole = kept[prefix[:anchor], suffix]
            assert whole == prefix[anchor:] + hit.text
        cache.check_integrity()
