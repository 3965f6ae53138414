"""The card is written from the run's records; no placeholder is left."""

import json
from pathlib import Path

import pytest
from training.card import code, examples, package_list, printed, write

CONFIG = {
    "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 8, "intermediate_size": 48, "vocab_size": 440, "max_position_embeddings": 64,
}  # fmt: skip
PACKAGES = {
    "small": {"version": "1.0", "licence": "MIT", "files": 1, "bytes": 10},
    "npm:large": {"version": "2.0", "licence": "BSD\n3", "files": 2, "bytes": 2_000_000},
}


def case(kind: str, head: str, expected: str, wrote: str) -> dict[str, object]:
    completions = {"spm_heal": wrote}
    return {"kind": kind, "head": head, "expected": expected, "completions": completions}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    manifest = {
        "packages": PACKAGES, "refused": {"gpl": "licence"}, "dropped": {"minified": 7},
        "languages": {"python": 1_000_000, "c": 2_000_000},
        "held_out": {"dev": {"click": {"version": "8"}}, "test": {"npm:rxjs": {"version": "7"}}},
    }  # fmt: skip
    (tmp_path / "corpus" / "manifest.json").write_text(json.dumps(manifest))
    line = {"step": 500, "tokens": 2_048_000, "elapsed_s": 600, "loss": 2.5}
    (tmp_path / "train.jsonl").write_text(json.dumps({**line, "step": 20}) + "\n")
    with (tmp_path / "train.jsonl").open("a") as out:
        out.write(json.dumps(line) + "\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def test_the_card_tells_the_run_and_what_was_measured(work: Path) -> None:
    quality, cases = work / "quality.txt", work / "cases.json"
    quality.write_text("line, all\n\n| completion |\n| --- |\n| spm_heal |\n" + '{"bench": 1}\n')
    cases.write_text(json.dumps({"cases": [case("line", "a = ", "b", "b")]}))
    write(work, work / "model", quality, cases)
    text = (work / "model" / "README.md").read_text()
    assert "$" not in text
    assert "500 steps" in text
    assert "c 2.0, python 1.0" in text
    assert "dev click 8; test npm:rxjs 7" in text
    assert "| spm_heal |" in text
    assert '"bench"' not in text
    assert "- `a =` → `b`" in text
    assert text.count("Not measured yet.") == 2
    listed = (work / "model" / "PACKAGES.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in listed] == ["package", "npm:large", "small"]


def test_a_package_is_one_line() -> None:
    assert package_list(PACKAGES).splitlines()[1] == "npm:large\t2.0\tBSD 3\t2\t2000000"


def test_examples_are_the_first_right_and_wrong_ones_of_a_line(tmp_path: Path) -> None:
    cases = [
        case("multi", "if a:", "b", "b"),
        case("line", "x = ", "one", "two"),
        case("line", "y = ", "y" * 200, "no"),
        case("line", "    ", "blank", "blank"),
        case("line", "z = ", "three", "three"),
        *[case("line", "more", str(idx), "") for idx in range(9)],
    ]
    (tmp_path / "out.json").write_text(json.dumps({"cases": cases}))
    assert examples(tmp_path / "out.json").splitlines() == [
        "Right:", "", "- `z =` → `three`", "",
        "Wrong:", "", "- `x =` → `two` (was `one`)",
        *[f"- `more` → nothing (was `{idx}`)" for idx in range(5)],
    ]  # fmt: skip


def test_backticks_in_code_are_fenced() -> None:
    assert code("a`b") == "`` a`b ``"


def test_what_a_benchmark_printed_must_end_in_json(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("| table |\nkilled\n")
    with pytest.raises(json.JSONDecodeError):
        printed(tmp_path / "out.txt")
