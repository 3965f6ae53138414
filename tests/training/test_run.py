"""The command that does all stages: what it refuses, and what an interruption leaves."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from training import run
from training import tokenizer as kind
from training.corpus import SourceFile, write_lines
from training.errors import TrainingError
from training.export import TOKENIZER_FILES
from training.recipe import SMALL, Recipe

import midfill_engine

RECIPE = replace(SMALL, shape=replace(SMALL.shape, vocab_size=440))


@pytest.fixture
def work(code: str, tmp_path: Path) -> Path:
    """Returns a work folder with a corpus."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "manifest.json").write_text("{}")
    files = [SourceFile("p", "MIT", f"p/{i}.py", code) for i in range(20)]
    write_lines(tmp_path / "corpus" / "train.jsonl", files)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--tokens", "100"], "--tokens 100: a step takes 4096"),
        (["--tokens", "5e6", "--init", "typo"], "--init typo is no model folder"),
        (["--tokens", "5e6", "--root", "typo"], "--root typo is no folder"),
    ],
)
def test_what_cannot_be_done_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], told: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["run", "--work", str(tmp_path), *options])
    with pytest.raises(SystemExit, match=told):
        run.main()
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_cannot_be_gone_on_from_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was an error's trace, behind a corpus of minutes."""
    init = tmp_path / "init"
    init.mkdir()
    (init / "config.json").write_text("{}")
    words = ["--work", str(tmp_path / "work"), "--tokens", "5e6", "--init", str(init)]
    monkeypatch.setattr(sys, "argv", ["run", *words])
    with pytest.raises(SystemExit, match=f"--init {init} has no tokenizer.json"):
        run.main()
    starter = Path(midfill_engine.__file__).parent / "starter"
    for name in TOKENIZER_FILES:
        (init / name).write_bytes((starter / name).read_bytes())
    with pytest.raises(SystemExit, match="--work or --init are of another --size"):
        run.main()
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("tokens", ["0", "-5e6", "nan", "inf", "many"])
def test_tokens_are_a_number_above_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tokens: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["run", "--work", "x", f"--tokens={tokens}"])
    with pytest.raises(SystemExit):
        run.parse()
    assert "--tokens" in capsys.readouterr().err


def test_a_corpus_too_small_for_the_vocabulary_is_told_before_the_training(work: Path) -> None:
    """An assertion told it at the export, when the training was done."""
    large = replace(SMALL, shape=replace(SMALL.shape, vocab_size=50_000))
    with pytest.raises(TrainingError, match="and a model of this --size 50000: the corpus is too"):
        run.prepare(work, large, [], None)
    run.prepare(work, RECIPE, [], None)  # nothing is left of it
    with pytest.raises(TrainingError, match="has 440 ids"):
        run.prepare(work, large, [], None)


def test_the_tokenizer_of_a_model_is_brought(work: Path, tokenizer: Tokenizer) -> None:
    kind.save(tokenizer, work / "model", 64)
    (work / "model" / TOKENIZER_FILES[-1]).unlink()
    for _ in range(2):  # what was interrupted was never done again: its folder was there
        with pytest.raises(FileNotFoundError):
            run.prepare(work, RECIPE, [], work / "model")
    assert not (work / "tokenizer").exists()
    kind.save(tokenizer, work / "model", 64)
    run.prepare(work, RECIPE, [], work / "model")
    assert {path.name for path in (work / "tokenizer").iterdir()} == set(TOKENIZER_FILES)


def test_an_interrupted_corpus_is_built_anew(
    tmp_path: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def build(_roots: object, _stdlib: object, out: Path, num_workers: int) -> None:
        assert num_workers
        seen.append([path.name for path in out.iterdir()])
        (out / "manifest.json").write_text("{}")
        if len(seen) == 1:
            raise KeyboardInterrupt
        write_lines(out / "train.jsonl", [SourceFile("p", "MIT", "p.py", code)] * 20)

    def prepare(recipe: Recipe) -> None:
        run.prepare(tmp_path, recipe, [], None)

    monkeypatch.setattr("training.corpus.build", build)
    with pytest.raises(KeyboardInterrupt):
        prepare(RECIPE)
    assert not (tmp_path / "corpus").exists()
    prepare(RECIPE)
    prepare(RECIPE)
    assert seen == [[], []]
