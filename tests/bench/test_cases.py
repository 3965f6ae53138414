"""Where cases are cut, and the baselines that need no model."""

import random

import pytest
from bench.baselines import copy_line, copy_suffix, gold, oracle
from bench.cases import KINDS, Case, Kind, block_end, draw
from training.reference import Vocabulary
from training.sources import SourceFile


def case(prefix: str, expected: str = "", kind: Kind = "line") -> Case:
    return Case(kind, "p", "p/a.py", "python", prefix, "\n", expected)


@pytest.mark.parametrize("kind", KINDS)
def test_cases_are_seeded_and_reassemble_their_file(files: list[SourceFile], kind: Kind) -> None:
    texts = {file.path: file.text for file in files}
    cases = draw(files, kind, 60, seed=1)
    assert len(cases) == 60
    assert cases == draw(files, kind, 60, seed=1) != draw(files, kind, 60, seed=2)
    for one in cases:
        assert one.prefix + one.expected + one.suffix == texts[one.path]
        assert one.expected.strip()
        assert not one.expected.startswith(" ") or one.head.strip()
        assert one.language == ("javascript" if one.path.endswith(".js") else "python")


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_gives_one_case_before_any_gives_its_next(
    files: list[SourceFile], kind: Kind
) -> None:
    cases = draw(files, kind, 13)
    for start in (0, 5, 10):
        part = [one.path for one in cases[start : start + 5]]
        assert len(set(part)) == len(part)


def test_cursors_of_kind_mid_stand_inside_an_identifier(files: list[SourceFile]) -> None:
    for one in draw(files, "mid", 100):
        assert one.num_lines == 1
        assert (one.prefix[-1] + one.expected[0]).isidentifier()
        assert one.identifier
        assert one.expected.startswith(one.identifier)
        assert not one.expected[len(one.identifier) :][:1].isidentifier()


def test_cases_of_several_lines_end_on_a_line_with_text(files: list[SourceFile]) -> None:
    cases = draw(files, "multi", 200)
    assert {one.num_lines for one in cases} >= {2, 3, 4, 6}
    for one in cases:
        assert 2 <= one.num_lines <= 8
        assert one.expected.rsplit("\n", 1)[-1].strip()
        assert one.suffix == "" or one.suffix.startswith("\n")


def test_a_block_ends_before_the_line_that_is_indented_no_deeper() -> None:
    lines = ["if a:", "    b", "", "    if c:", "        d", "", "e"]
    assert [block_end(lines, row) for row in (0, 3, 4, 6)] == [4, 4, None, None]
    assert block_end(["f(() => {", "  go();", "});"], 0) == 1


def test_files_without_a_place_give_no_case_and_end_no_search() -> None:
    blank = SourceFile("p", "MIT", "p/blank.py", "\n \n")
    digits = SourceFile("p", "MIT", "p/digits.py", "1 + 2\n")
    assert draw([blank], "line", 3) == []
    assert draw([blank, digits], "mid", 3) == []
    assert {one.path for one in draw([blank, digits], "line", 3)} == {"p/digits.py"}


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


def test_copies_have_as_many_lines_as_are_expected() -> None:
    several = case(
        "if a:\n    go(1)\nelse:\n    go(2)\nif a:\n    go(", "1)\nelse:\n    x", "multi"
    )
    assert copy_suffix(several) == "1)\nelse:\n    go(2)"
    assert copy_line(several) == "2)\nif a:"


def test_gold_is_the_true_text_as_far_as_the_limit_goes(vocabulary: Vocabulary) -> None:
    one = case("x = ", "Greeter(number)")
    assert gold(vocabulary, one, 48) == one.expected
    cut = gold(vocabulary, one, 1)
    assert 0 < len(cut) < len(one.expected)
    assert one.expected.startswith(cut)


def test_oracle_takes_the_best_row_of_each_case() -> None:
    cases = [case("", "abc"), case("", "xyz")]
    assert oracle(cases, {"one": ["abd", "q"], "two": ["", "xyzz"]}) == ["abd", "xyzz"]


def test_draws_of_one_kind_do_not_depend_on_global_randomness(files: list[SourceFile]) -> None:
    random.seed(1)
    first = draw(files, "line", 5)
    random.seed(2)
    assert draw(files, "line", 5) == first
