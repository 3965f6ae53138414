"""The rate over the steps, and a run that goes on where it was stopped."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from training import tokenizer as kind
from training.batches import Phase, Stream, shelves
from training.corpus import SourceFile, write_lines
from training.errors import TrainingError
from training.export import export
from training.infill import Document, Mix
from training.model import Decoder, Shape
from training.recipe import Recipe
from training.schedule import Schedule
from training.train import STOP, Run, start, train, update

TINY = Shape(
    vocab_size=440, hidden_size=16, num_layers=1, num_heads=2, num_kv_heads=1, head_dim=8,
    ffn_size=24, context_len=64,
)  # fmt: skip
PHASE = Phase({32: 0.5, 64: 0.5}, Mix())
RECIPE = Recipe(shape=TINY, early=PHASE, late=PHASE, step_tokens=256, log_every=1)


@pytest.mark.parametrize(
    ("step", "factor"), [(0, 0.05), (9, 0.5), (50, 0.5), (60, 0.5), (70, 0.25), (100, 0.0)]
)
def test_trapezoid(step: int, factor: float) -> None:
    schedule = Schedule(num_steps=100, warmup_steps=10, decay_share=0.4, peak=0.5)
    assert schedule.decay_start == 60
    assert schedule.factor(step) == pytest.approx(factor)


@pytest.mark.parametrize("share", [0.0, 0.001])
def test_without_a_decay_the_rate_holds(share: float) -> None:
    schedule = Schedule(num_steps=100, warmup_steps=10, decay_share=share)
    assert [schedule.factor(step) for step in (50, 99, 100)] == [1.0, 1.0, 1.0]


def test_a_longer_run_shares_the_steps_before_the_decay() -> None:
    short, long = Schedule(100, 10), Schedule(500, 10)
    assert all(short.factor(step) == long.factor(step) for step in range(short.decay_start + 1))


@pytest.fixture
def stream(plain_tokenizer: Tokenizer, code: str) -> Stream:
    docs = shelves([Document("a.py", "python", code)])
    return Stream(docs, {"python": 1.0}, plain_tokenizer, RECIPE.step_tokens, lambda step: PHASE)


def advance(run: Run, stream: Stream, num_steps: int) -> list[float]:
    return [float(update(run, stream.batch(run.step), RECIPE)) for _ in range(num_steps)]


def test_a_resumed_run_goes_on_identically(stream: Stream, tmp_path: Path) -> None:
    whole = start(RECIPE)
    advance(whole, stream, 3)
    whole.elapsed_s = 12.5
    whole.save(tmp_path / "checkpoint.pt")
    expected = advance(whole, stream, 3)

    resumed = start(RECIPE)
    resumed.load(tmp_path / "checkpoint.pt")
    assert (resumed.step, resumed.elapsed_s) == (3, 12.5)
    assert advance(resumed, stream, 3) == expected
    assert resumed.num_tokens == whole.num_tokens == 6 * 256


def test_training_lowers_the_loss(stream: Stream) -> None:
    losses = advance(start(RECIPE), stream, 40)
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


@pytest.fixture
def work(tokenizer: Tokenizer, code: str, tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    write_lines(tmp_path / "corpus" / "train.jsonl", [SourceFile("p", "MIT", "p/a.py", code)])
    kind.save(tokenizer, tmp_path / "tokenizer", TINY.context_len)
    return tmp_path


@pytest.mark.slow
def test_slices_end_where_the_whole_run_would(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", eager)
    schedule = Schedule(num_steps=6, warmup_steps=2)
    (work / STOP).touch()
    first = train(work, schedule, RECIPE)
    assert first.step == 1
    assert not (work / STOP).exists(), "or no slice would go on"
    second = train(work, schedule, RECIPE, slice_s=0.0)
    assert second.step == 2
    with pytest.raises(TrainingError, match="has done 2 steps, and --tokens asks for 1"):
        train(work, Schedule(num_steps=1), RECIPE)
    with pytest.raises(TrainingError, match="of another --size"):
        train(work, schedule, replace(RECIPE, shape=replace(TINY, ffn_size=32)))
    last = train(work, schedule, RECIPE)
    logged = [json.loads(line)["step"] for line in (work / "train.jsonl").read_text().splitlines()]
    assert logged == [1, 2, 3, 4, 5, 6]

    (work / "checkpoint.pt").unlink()
    (work / "train.jsonl").unlink()
    whole = train(work, schedule, replace(RECIPE, log_every=20))
    (logged_last,) = (work / "train.jsonl").read_text().splitlines()
    assert json.loads(logged_last)["step"] == 6, "the card tells the last step"
    assert whole.step == last.step == 6
    for one, other in zip(whole.model.parameters(), last.model.parameters(), strict=True):
        assert one.equal(other)


def eager(loss: object, *, dynamic: bool) -> object:
    assert not dynamic
    return loss


def test_a_run_can_go_on_from_a_model_folder(work: Path) -> None:
    torch.manual_seed(3)  # pyright: ignore[reportUnknownMemberType]  # untyped
    model = Decoder(TINY)
    export(model, work / "tokenizer", work / "model")
    run = start(RECIPE, init=work / "model")
    for one, other in zip(run.model.parameters(), model.parameters(), strict=True):
        assert one.equal(other.bfloat16().float())
    with pytest.raises(TrainingError, match="holds no model of this --size"):
        start(replace(RECIPE, shape=replace(TINY, ffn_size=32)), init=work / "model")
