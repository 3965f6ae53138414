"""Longest common runs: planted ones are found, those of the prompt are not, others agree."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench import recite
from bench.runs import CHUNK, Query, longest_runs
from numpy.typing import NDArray

SIZES = (4, 8, 16)


def symbols(text: str) -> NDArray[np.uint16]:
    return np.frombuffer(text.encode(), dtype=np.uint8).astype(np.uint16)


def query(made: str, prompt: str = "") -> Query:
    return Query(symbols(made), symbols(prompt))


def brute_force(made: str, prompt: str, text: str, smallest: int) -> int:
    runs = (
        end - start
        for start in range(len(made))
        for end in range(start + smallest, len(made) + 1)
        if made[start:end] in text and made[start:end] not in prompt
    )
    return max(runs, default=0)


def test_a_planted_run_is_found_in_its_whole_length() -> None:
    text = symbols("....def planted(run): pass....")
    assert longest_runs([query("xxdef planted(run)yy")], text, SIZES) == [16]
    assert longest_runs([query("xxdef planted(yy")], text, SIZES) == [12]
    assert longest_runs([query("def planted(run): pass")], text, SIZES) == [22]


def test_a_run_of_the_own_prompt_does_not_count_but_a_shorter_other_one_does() -> None:
    text = symbols("def planted(run): pass\nimport sys\n")
    made = "def planted(run)?import sys"
    assert longest_runs([query(made, "x def planted(run)")], text, SIZES) == [10]
    assert longest_runs([query(made, "def planted(run) import sys")], text, SIZES) == [0]


def test_a_run_that_reaches_further_than_the_prompt_counts_whole() -> None:
    text = symbols("def planted(run): pass")
    assert longest_runs([query("def planted(run): pass", "def planted")], text, SIZES) == [22]


def test_runs_agree_with_brute_force() -> None:
    rng = random.Random(0)
    text = "".join(rng.choices("ab", k=300))
    cases = [
        ("".join(rng.choices("ab", k=25)), "".join(rng.choices("ab", k=rng.randrange(200))))
        for _ in range(60)
    ]
    cases += [("", "ab"), ("ab", ""), (text[100:140], text[90:120])]
    found = longest_runs([query(*case) for case in cases], symbols(text), SIZES)
    assert found == [brute_force(made, prompt, text, 4) for made, prompt in cases]


@pytest.mark.parametrize("chunk", [1, 7, CHUNK])
def test_runs_over_the_chunks_of_the_text_are_found(
    monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr("bench.runs.CHUNK", chunk)
    text = symbols("0123456789abcdefghijklmnopqrstuvwxyz")
    made = [query("__23456789abcdefghij__"), query("wxyz"), query("wxy")]
    assert longest_runs(made, text, SIZES) == [18, 4, 0]


def test_runs_of_characters_ignore_how_text_is_indented() -> None:
    assert recite.plain("if a:\n        b\tc") == "if a: b c"


def test_secret_and_long_runs_are_counted(vocabulary: Any, files: Any) -> None:  # noqa: ANN401
    case = recite.prompts_of(files, 1, 0)[0]
    secret = "ghp_" + "a1" * 20
    trained = "for planted in range(" + "0123456789" * 12 + "):"
    tokens = np.array(vocabulary.encode(trained), dtype=np.uint16)
    chars = np.frombuffer(trained.encode(), dtype=np.uint8)
    found = recite.figures([case, case], [trained, f"x = '{secret}'"], vocabulary, tokens, chars)
    assert found["secrets"] == 1
    assert found["token_runs"]["max"] == len(tokens)
    assert found["char_runs"]["max"] == len(trained)
    assert found["over_50_tokens"][0] == found["from_100_chars"][0] == 0.5
    assert found["longest"] == trained
    table = recite.table({"training": {"model": found}})
    assert table.splitlines()[-1].startswith("| training | model | ")


def test_true_texts_are_cut_to_the_length_of_the_models(vocabulary: Any, code: str) -> None:  # noqa: ANN401
    cut = recite.shortened(vocabulary, code, 7)
    assert code.startswith(cut)
    assert len(vocabulary.encode(cut)) == 7
    assert recite.shortened(vocabulary, code, 0) == ""


@pytest.fixture
def code(files: Any) -> str:  # noqa: ANN401
    text: str = files[0].text
    return text


@pytest.mark.e2e
@pytest.mark.slow
def test_the_program_measures_both_groups(
    model: Path, corpus: Path, counted: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    options = ["--model", str(model), "--ngram", str(counted), "--corpus", str(corpus)]
    options += ["--files", str(corpus), "--num-prompts", "3", "--num-tokens", "8"]
    monkeypatch.setattr("sys.argv", ["recite.py", *options])
    assert recite.main() == 0
    *table, last = capsys.readouterr().out.splitlines()
    assert len(table) == 2 + 2 * 3
    assert '"training": {"model": {"num": 3, ' in last
