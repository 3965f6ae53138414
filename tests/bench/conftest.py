"""A tiny random model of the training's own kind, and files to draw cases from."""

from pathlib import Path

import pytest
import torch
from bench.ngram import build
from training import tokenizer as kind
from training.corpus import write_lines
from training.export import export
from training.model import Decoder, Shape
from training.reference import Vocabulary
from training.sources import SourceFile

from tests.samples import CODE

SCRIPT = """function add(a, b) {
  const total = a + b;
  if (total > 10) {
    return limit(total);
  }
  return total;
}
"""


@pytest.fixture(scope="session")
def files() -> list[SourceFile]:
    python = [SourceFile("p", "MIT", f"p/{i}.py", CODE) for i in range(4)]
    return [*python, SourceFile("npm:q", "MIT", "q/a.js", SCRIPT, "javascript")]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = kind.train([CODE, SCRIPT] * 20, 460)
    shape = Shape(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_layers=2, num_heads=4,
        num_kv_heads=2, head_dim=16, ffn_size=40, context_len=2048,
    )  # fmt: skip
    kind.save(tokenizer, folder / "tokenizer", shape.context_len)
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]  # untyped
        torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]  # untyped
        decoder = Decoder(shape)
        for weight in decoder.parameters():
            torch.nn.init.normal_(weight, std=0.3)
    export(decoder, folder / "tokenizer", folder / "model")
    return folder / "model"


@pytest.fixture(scope="session")
def vocabulary(model: Path) -> Vocabulary:
    return Vocabulary(model)


@pytest.fixture(scope="session")
def corpus(files: list[SourceFile], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("corpus") / "files.jsonl"
    write_lines(place, files)
    return place


@pytest.fixture(scope="session")
def counted(corpus: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ngram")
    build(corpus, model, folder, order=4)
    return folder
