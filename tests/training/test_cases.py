"""The cases of bench/quality.py, its baselines and its scores."""

from pathlib import Path

import pytest
from bench.cases import (
    Case,
    MissingPackageError,
    copy_line,
    copy_suffix,
    draw,
    edit_similarity,
    held_out_files,
    interval,
)
from training.corpus import SourceFile


def case(prefix: str) -> Case:
    return Case("p", "p/a.py", prefix, "\n", "")


def test_cases_are_seeded_and_reassemble_the_file(code: str) -> None:
    files = [SourceFile("p", "MIT", f"p/{i}.py", code) for i in range(5)]
    cases = draw(files, 40, seed=1)
    assert cases == draw(files, 40, seed=1) != draw(files, 40, seed=2)
    assert len({c.path for c in cases[:5]}) == 5
    for one in cases:
        assert one.prefix + one.expected + one.suffix == code
        head = one.prefix.rsplit("\n", 1)[-1]
        assert one.expected.strip()
        assert not one.expected.startswith(" ") or head.strip()


def test_absent_packages_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingPackageError, match=r"click==\S+ \(absent\)"):
        held_out_files([tmp_path])


@pytest.mark.parametrize(
    ("prefix", "rest"),
    [
        ("self.a = a\nself.b = b\nself.", "b = b"),
        ("import os\nimport sys\nimp", "ort sys"),
        ("x = 1\n    retu", "x = 1"),
        ("", ""),
    ],
)
def test_copy_of_the_most_similar_line(prefix: str, rest: str) -> None:
    assert copy_line(case(prefix)) == rest


def test_copy_of_the_longest_repetition() -> None:
    assert copy_suffix(case("if a:\n    go(1)\nelse:\n    go(2)\nif a:\n    go(")) == "1)"
    assert copy_suffix(case("a")) == ""


def test_edit_similarity() -> None:
    assert edit_similarity("", "") == edit_similarity("abc", "abc") == 1
    assert edit_similarity("abc", "") == 0
    assert edit_similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)


def test_interval_resamples_files_whole() -> None:
    scores = [1.0] * 10 + [0.0] * 10
    mean, low, high = interval(scores, ["a"] * 10 + ["b"] * 10)
    assert (mean, low, high) == (0.5, 0.0, 1.0)
    mean, low, high = interval(scores, [str(i) for i in range(20)])
    assert 0.2 < low < mean < high < 0.8
