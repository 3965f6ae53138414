"""Shapes that are compared: what a name means, and that each is measured alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from bench import trained_shapes
from bench.trained_shapes import Trained, dev_batches, losses_of, row, shape_of, token_ms
from training import tokenizer as kind
from training.batches import Phase
from training.corpus import write_lines
from training.model import Decoder
from training.recipe import SMALL
from training.sources import SourceFile

from tests.engine.native_models import library_or_skip
from tests.samples import CODE

RECIPE = replace(SMALL, step_tokens=256, late=Phase({64: 1.0}, SMALL.late.mix))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    (folder / "corpus").mkdir()
    file = SourceFile("pack", "a.py", "python", CODE)
    write_lines(folder / "corpus" / "dev.jsonl", [file, replace(file, path="b.py")])
    kind.save(kind.train([CODE] * 20, 440), folder / "tokenizer", 64)
    return folder


def test_a_name_gives_the_bundled_models_shape() -> None:
    shape = shape_of("512x8", 64, 15_616, 4096)
    assert (shape.hidden_size, shape.num_layers, shape.ffn_size) == (512, 8, 1408)
    assert (shape.num_heads, shape.num_kv_heads, shape.head_dim) == (8, 4, 64)
    with pytest.raises(ValueError, match="500x8: a width of 500 is no even number of heads of 64"):
        shape_of("500x8", 64, 15_616, 4096)


def test_every_shape_sees_the_same_batches(work: Path) -> None:
    first, again = dev_batches(work, RECIPE, 3), dev_batches(work, RECIPE, 3)
    for one, other in zip(first, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert first[0][0].shape == (4, 64)


def test_a_row_tells_loss_difference_and_time(work: Path) -> None:
    library_or_skip()
    batches = dev_batches(work, RECIPE, 4)
    found: list[Trained] = []
    for name in ("32x1", "64x2"):
        torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]  # untyped
        model = Decoder(shape_of(name, 16, trained_shapes.vocab_size(work), 64))
        found.append(Trained(name, model, losses_of(model, batches)))
    times = token_ms([one.model for one in found], 1, 0.02)
    assert all(ms > 0 for ms in times)
    told = [row(one, found[0], ms) for one, ms in zip(found, times, strict=True)]
    assert told[0]["more_than_first"] == told[0]["low"] == told[0]["high"] == 0
    assert told[0]["parameters"] < told[1]["parameters"]
    assert told[1]["low"] <= told[1]["more_than_first"] <= told[1]["high"]
    difference = told[1]["loss"] - told[0]["loss"]
    assert told[1]["more_than_first"] == pytest.approx(difference, abs=2e-4)
