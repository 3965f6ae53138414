"""Cases that hang on another file, and how its pieces go along."""

from __future__ import annotations

import pytest
from bench.backends import VARIANTS, Ask, as_texts, body
from bench.cases import Case
from bench.crossing import draw_crossing
from bench.report import as_json, markdown
from bench.rows import Row, rows_of
from bench.scores import score
from training.reference import Vocabulary
from training.sources import SourceFile

from midfill_lsp.fim_files import OtherFile, OtherFiles

HELPER = (
    "def greet(name, excited=False):\n    return name\n\n\nclass Box:\n    def open(self): ...\n"
)
USER = (
    "from p.helper import greet, Box\n\n\ndef main():\n    greet(name, True)\n    Box.open(self)\n"
)
SCRIPT = 'import { area } from "./shape.js";\n\nconsole.log(area(width, height));\n'
SHAPE = "export function area(width, height) {\n  return width * height;\n}\n"
FILES = [
    SourceFile("p", "MIT", "p/helper.py", HELPER),
    SourceFile("p", "MIT", "p/user.py", USER),
    SourceFile("p", "MIT", "p/alone.py", "import os\n\nos.getcwd(path)\n"),
    SourceFile("npm:q", "MIT", "q/shape.js", SHAPE, "javascript"),
    SourceFile("npm:q", "MIT", "q/main.js", SCRIPT, "javascript"),
    SourceFile("npm:q", "MIT", "q/README.md", "area(of a square)\n", "markdown"),
]


def test_cursors_stand_behind_a_name_of_another_file_with_its_signature() -> None:
    cases = draw_crossing(FILES, 99)
    found = {(case.path, case.head.strip(), case.expected) for case in cases}
    assert found == {
        ("p/user.py", "greet(", "name, True)"),
        ("p/user.py", "Box.", "open(self)"),
        ("q/main.js", "console.log(area(", "width, height));"),
    }
    texts = {file.path: file.text for file in FILES}
    for case in cases:
        assert case.prefix + case.expected + case.suffix == texts[case.path]
        (piece,) = case.others["signatures"]
        name, line = (
            ("p/helper.py", "def greet(name, excited=False)")
            if case.language == "python"
            else ("q/shape.js", "export function area(width, height)")
        )
        assert piece.name == name
        assert line in piece.text
        assert set(case.others) == {"signatures", "buffers"}
    assert cases == draw_crossing(FILES, 99)
    assert {case.path for case in draw_crossing(FILES, 2)} == {"p/user.py", "q/main.js"}


OTHERS = (OtherFile("far.py", "far = 1\n" * 40), OtherFile("near.py", "near = 1\n"))


def cross(prefix: str = "x = near", expected: str = "(1)") -> Case:
    return Case(
        "cross_file", "p", "p/a.py", "python", prefix, "\n", expected,
        others={"signatures": OTHERS, "buffers": ()},
    )  # fmt: skip


def test_what_is_sent() -> None:
    rows = rows_of("cross_file", [VARIANTS["spm_heal"]])
    assert [row.name for row in rows] == ["spm_heal", "spm_heal + signatures", "spm_heal + buffers"]
    assert [row.name for row in rows_of("line", [VARIANTS["spm"]])] == ["spm"]
    without, signatures, buffers = (body(row.ask(cross())) for row in rows)
    assert "input_extra" not in without
    assert without == buffers
    assert signatures == {
        **without,
        "input_extra": [{"filename": file.name, "text": file.text} for file in OTHERS],
        "filename": "p/a.py",
        "repo_name": "p",
    }


@pytest.mark.parametrize("order", ["spm", "psm", "psm_line"])
def test_the_reference_places_as_many_of_the_last_as_a_quarter_holds(
    vocabulary: Vocabulary, order: str
) -> None:
    plain = vocabulary.prompt("a = 1\nb", "\n", "psm", 300).ids
    texts = as_texts(OTHERS)
    assert texts[1] == "# near.py\nnear = 1\n"
    near = vocabulary.encode(texts[1])
    far = vocabulary.encode(texts[0])
    assert len(near) < 75 < len(far)
    assert vocabulary.prompt("a = 1\nb", "\n", "psm", 300, extra=texts).ids == [
        *plain[:2], *near, *plain[2:],
    ]  # fmt: skip
    whole = vocabulary.prompt("a = 1\nb", "\n", "psm", 4 * len(far + near), extra=texts).ids
    assert whole == [*plain[:2], *far, *near, *plain[2:]]


def test_gains_are_paired_and_in_the_table() -> None:
    cases = [cross(), cross("y = other", "(2)")]
    rows = rows_of("cross_file", [VARIANTS["spm"]])
    texts = [["(1)", "?"], ["(1)", "(2)"], ["", "?"]]
    table = {row.name: score(cases, made) for row, made in zip(rows, texts, strict=True)}
    table["no_op"] = score(cases, ["", ""])
    told = as_json(table)
    assert set(told["gains"]) == {"spm + signatures", "spm + buffers"}
    assert told["gains"]["spm + signatures"]["exact_match"][0] == 0.5
    assert told["gains"]["spm + buffers"]["exact_match"][0] == -0.5
    assert "| spm + signatures against without | +50.0% (" in markdown(told)


def test_a_row_without_files_asks_as_ever() -> None:
    case = Case("line", "p", "p/a.py", "python", "x = ", "\n", "1")
    assert Row(VARIANTS["spm"]).ask(case) == Ask(
        "x = ", "\n", VARIANTS["spm"], 48, 1, OtherFiles((), "p/a.py", "p")
    )
