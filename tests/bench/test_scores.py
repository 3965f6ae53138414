"""Scores, intervals and differences, on values worked out by hand."""

import random

import numpy as np
import pytest
from bench.cases import Case, Kind
from bench.report import as_json, markdown, only
from bench.scores import (
    Measure,
    best,
    clear,
    completes,
    cut,
    distance,
    edit_similarity,
    mean,
    score,
)


def case(kind: Kind, expected: str, path: str = "a.py", identifier: str | None = None) -> Case:
    return Case(kind, "p", path, "python", "", "", expected, identifier)


def values(measures: dict[str, Measure]) -> dict[str, list[float]]:
    return {name: measure.parts.tolist() for name, measure in measures.items()}


def plain_distance(one: str, other: str) -> int:
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(other, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]


def test_distance_agrees_with_the_plain_table() -> None:
    rng = random.Random(0)
    for _ in range(300):
        one, other = ("".join(rng.choices("abé\n", k=rng.randrange(90))) for _ in range(2))
        assert distance(one, other) == plain_distance(one, other)


def test_edit_similarity() -> None:
    assert edit_similarity("", "") == edit_similarity("abc", "abc") == 1
    assert edit_similarity("abc", "") == edit_similarity("", "abc") == 0
    assert edit_similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)


def test_one_line_is_scored_without_what_follows_it_and_without_trailing_blanks() -> None:
    found = values(score([case("line", "a b  ")] * 2, ["a b\nnonsense", "a"]))
    assert found["exact_match"] == [1, 0]
    assert found["edit_similarity"] == pytest.approx([1, 1 / 3])


def test_several_lines_are_scored_whole_and_by_the_first() -> None:
    want = "if a:\n    b"
    found = values(score([case("multi", want)] * 3, [want + "\nc", "if a:", "if a:\n    c"]))
    assert found["exact_match"] == [1, 0, 0]
    assert found["first_line"] == [1, 1, 1]
    assert found["edit_similarity"] == pytest.approx([1, 5 / 11, 10 / 11])


def test_identifiers_are_right_when_they_also_end() -> None:
    assert completes("me", "me = 1")
    assert completes("me", "me")
    assert not completes("me", "men = 1")
    assert not completes("me", "m")
    found = values(score([case("mid", "me = 1", identifier="me")] * 2, ["me.x", "m"]))
    assert found["identifier"] == [1, 0]


def test_cut_keeps_the_first_lines() -> None:
    assert cut("a \nb\nc", 2) == "a\nb"


def test_interval_resamples_files_whole() -> None:
    scores = [1.0] * 10 + [0.0] * 10
    assert mean(scores, ["a"] * 10 + ["b"] * 10).interval() == (0.5, 0.0, 1.0)
    estimate, low, high = mean(scores, [str(i) for i in range(20)]).interval()
    assert estimate == 0.5
    assert 0.2 < low < estimate < high < 0.8


def test_ratios_are_of_sums_not_means_of_ratios() -> None:
    measure = Measure(np.array([10.0, 0.0]), np.array([90.0, 10.0]), ("a", "b"), False)
    estimate, low, high = measure.interval()
    assert estimate == pytest.approx(0.1)
    assert (low, high) == pytest.approx((0, 10 / 90))


def test_differences_are_paired() -> None:
    one = mean([1, 0, 1, 0], ["a", "b", "c", "d"])
    other = mean([0.9, -0.1, 0.9, -0.1], ["a", "b", "c", "d"])
    assert one.minus(other).interval() == pytest.approx((0.1, 0.1, 0.1))


def test_intervals_are_clear_of_each_other_in_the_better_direction() -> None:
    names = [str(i) for i in range(50)]
    high, low = mean([0.9] * 50, names), mean([0.1] * 50, names)
    assert clear(high, low)
    assert not clear(low, high)
    assert not clear(high, high)
    bits = [Measure(m.parts, m.weights, m.clusters, False) for m in (high, low)]
    assert clear(bits[1], bits[0])
    assert best({"high": bits[0], "low": bits[1]}) == "low"


def test_models_are_compared_with_the_best_baseline_of_each_measure() -> None:
    names = [str(i) for i in range(20)]
    table = {
        "no_op": {"exact_match": mean([0.0] * 20, names)},
        "ngram": {"exact_match": mean([0.25] * 20, names)},
        "spm": {"exact_match": mean([0.75] * 20, names)},
        "gold": {"exact_match": mean([1.0] * 20, names)},
    }
    measured = as_json(table)
    assert measured["rows"]["spm"] == {"exact_match": [0.75, 0.75, 0.75]}
    expected = {"baseline": "ngram", "difference": [0.5, 0.5, 0.5], "clear": True}
    assert measured["differences"] == {"spm": {"exact_match": expected}}
    lines = markdown(measured).splitlines()
    assert lines[4] == "| spm | 75.0% (75.0% to 75.0%) |"
    assert lines[-1].endswith("| +50.0% (+50.0% to +50.0%) ngram, clear |")


def test_a_table_of_some_cases_keeps_the_shorter_columns_in_step() -> None:
    names = ["a", "b", "c"]
    table = {
        "spm": {"exact_match": mean([1, 0, 1], names), "bits_per_byte": mean([5, 7], names[:2])}
    }
    part = only(table, [False, True, True])["spm"]
    assert values(part) == {"exact_match": [0, 1], "bits_per_byte": [7]}
    assert part["bits_per_byte"].clusters == ("b",)
