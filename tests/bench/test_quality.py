"""The whole benchmark on a tiny random model, and the reference's prompts and bits."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from bench.backends import VARIANTS, Ask, engines, from_reference
from bench.cases import KINDS, Case, draw
from bench.likelihood import model_bits
from bench.scores import cut
from training.reference import Reference, Vocabulary
from training.sources import SourceFile

from midfill_lsp.fim_files import OtherFile

ROOT = Path(__file__).parents[2]


def test_prompts_of_each_order(vocabulary: Vocabulary) -> None:
    s, encode = vocabulary.sentinels, vocabulary.encode
    prefix, head, suffix = "import os\n", "print(na", "\nend"
    before, typed, after = encode(prefix), encode(head), encode(suffix)
    spm = vocabulary.prompt(prefix + head, suffix, "spm", 200)
    assert spm.ids == [s.bos, s.pre, s.suf, *after, s.mid, *encode(prefix + head)]
    psm = vocabulary.prompt(prefix + head, suffix, "psm", 200)
    assert psm.ids == [s.bos, s.pre, *encode(prefix + head), s.suf, *after, s.mid]
    line = vocabulary.prompt(prefix + head, suffix, "psm_line", 200)
    assert line.ids == [s.bos, s.pre, *before, s.suf, *after, s.mid, *typed]
    assert spm.must == psm.must == line.must == b""


@pytest.mark.parametrize("name", [name for name in VARIANTS if name.endswith("heal")])
def test_healed_prompts_end_where_no_piece_goes_on(vocabulary: Vocabulary, name: str) -> None:
    order = VARIANTS[name].order
    plain = vocabulary.prompt("import os\nself.na", "\n", order, 200)
    healed = vocabulary.prompt("import os\nself.na", "\n", order, 200, heal=True)
    assert healed.must
    assert b"self.na".endswith(healed.must)
    assert len(plain.ids) - 3 <= len(healed.ids) < len(plain.ids)
    ended = vocabulary.prompt("import os\n", "\n", order, 200, heal=True)
    assert ended.must == b""


def test_prompts_keep_to_the_budget(vocabulary: Vocabulary) -> None:
    for variant in VARIANTS.values():
        ids = vocabulary.prompt("name = 1\n" * 99, "\nend" * 99, variant.order, 64).ids
        assert 60 <= len(ids) <= 64


@pytest.mark.parametrize("name", list(VARIANTS))
def test_bits_agree_with_one_forward_a_case(
    model: Path, files: list[SourceFile], name: str
) -> None:
    reference, variant = Reference(model), VARIANTS[name]
    cases = draw(files, "mid", 6)
    measured = model_bits(reference, cases, variant, 48)
    for idx, case in enumerate(cases):
        prompt = reference.prompt(case.prefix, case.suffix, variant.order, 48, variant.heal)
        goal = reference.vocabulary.encode(prompt.must.decode() + case.expected)
        with torch.inference_mode():
            logits = reference.model(input_ids=torch.tensor([[*prompt.ids, *goal]])).logits[0]
        must, bits = prompt.must, 0.0
        for place, token in enumerate(goal, start=len(prompt.ids) - 1):
            chances = logits[place].exp()
            pieces = reference.vocabulary.pieces
            room = (
                sum(
                    float(chances[i])
                    for i, piece in enumerate(pieces)
                    if piece and (piece.startswith(must) or must.startswith(piece))
                )
                if must
                else float(chances.sum())
            )
            bits -= math.log2(float(chances[token]) / room)
            must = must[len(pieces[token]) :]
        assert measured.parts[idx] == pytest.approx(bits, rel=1e-3)
        assert measured.weights[idx] == len(case.expected.encode())


@pytest.mark.e2e
@pytest.mark.slow
def test_engine_and_reference_complete_alike(model: Path, files: list[SourceFile]) -> None:
    reference = from_reference(model)
    (model / "infill.json").write_text('{"order": "psm", "heal": true, "line_start": "middle"}')
    with engines(model, 1, "float32") as (engine,):
        for kind in KINDS:
            for case in draw(files, kind, 3):
                for variant in VARIANTS.values():
                    prefix, suffix = case.prefix[-150:], case.suffix[:60]
                    ask = Ask(prefix, suffix, variant, 12, case.num_lines)
                    # A character that the last token leaves unfinished is text to neither.
                    texts = [each(ask).text.rstrip("\ufffd") for each in (engine, reference)]
                    assert cut(texts[0], case.num_lines) == cut(texts[1], case.num_lines)


def test_bits_with_other_files_are_those_of_their_text_before_the_prefix(model: Path) -> None:
    reference, variant = Reference(model), VARIANTS["spm_heal"]
    pieces = {"none": (), "one": (OtherFile("b.py", "near = 1\n"),)}
    case = Case("cross_file", "p", "a.py", "python", "x = ne", "\n", "ar(1)", others=pieces)
    joined = replace(case, prefix="# b.py\nnear = 1\n" + case.prefix)
    plain, none, one, same = (
        model_bits(reference, [each], variant, 48, row).parts[0]
        for each, row in ((case, None), (case, "none"), (case, "one"), (joined, None))
    )
    assert plain == none != one
    assert one == pytest.approx(same, rel=1e-6)


@pytest.fixture(scope="module")
def counts(model: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The n-gram model of the corpus, as its program makes it."""
    out = tmp_path_factory.mktemp("counts") / "ngram"
    subprocess.run(
        [sys.executable, "-m", "bench.ngram", "--corpus", str(corpus), "--tokenizer", str(model),
         "--out", str(out)],
        check=True, cwd=ROOT, capture_output=True,
    )  # fmt: skip
    return out


def run(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "bench" / "quality.py"), *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize(("backend", "kinds"), [("engine", KINDS), ("transformers", ("line",))])
def test_the_program_measures_kinds(
    model: Path, corpus: Path, counts: Path, tmp_path: Path, backend: str, kinds: tuple[str, ...]
) -> None:
    done = run(
        "--files", str(corpus), "--model", str(model), "--backend", backend, "--num-cases", "6",
        "--bits-cases", "4", "--ngram", str(counts), "--variants", "spm", "psm_line_heal",
        "--show", "1", "--out", str(tmp_path / "out.json"), "--workers", "2", "--kinds", *kinds,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert result["backend"] == backend
    assert set(result["results"]) == set(kinds)
    for kind, groups in result["results"].items():
        assert groups["all"]["num_cases"] == 6
        assert groups["python"]["num_cases"] < 6
        rows = groups["all"]["rows"]
        assert list(rows)[:4] == ["no_op", "copy_line", "copy_suffix", "ngram"]
        assert list(rows)[4:] == ["spm", "psm_line_heal", "oracle", "gold"]
        assert rows["gold"]["exact_match"] == [1, 1, 1]
        assert rows["no_op"]["edit_similarity"][0] < 0.2
        for row in ("ngram", "spm", "psm_line_heal"):
            low, high = rows[row]["bits_per_byte"][1:]
            assert 0 < low <= high
        assert ("identifier" in rows["spm"]) == (kind == "mid")
        assert ("first_line" in rows["spm"]) == (kind == "multi")
    saved = json.loads((tmp_path / "out.json").read_text())
    assert len(saved["cases"]) == 6 * len(kinds)
    assert set(saved["cases"][0]["completions"]) == set(result["results"]["line"]["all"]["rows"])


def test_absent_packages_and_missing_models_are_named(model: Path, tmp_path: Path) -> None:
    done = run("--root", str(tmp_path), "--model", str(model), "--split", "dev")
    assert done.returncode == 1
    assert "held-out packages needed: " in done.stderr
    done = run("--root", str(tmp_path))
    assert done.returncode == 2
    assert "--model DIR is needed" in done.stderr
