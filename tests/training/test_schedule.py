"""The rate over time, and a run that goes on where it was stopped."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from training.batches import Stream
from training.model import Shape
from training.schedule import Schedule
from training.train import Recipe, Run, start, update

TINY = Shape(
    vocab_size=440, hidden_size=16, num_layers=1, num_heads=2, num_kv_heads=1, head_dim=8,
    ffn_size=24, context_len=64,
)  # fmt: skip


@pytest.mark.parametrize(
    ("step", "elapsed_s", "factor"),
    [(0, 0, 0.1), (9, 5, 1.0), (500, 60, 1.0), (500, 70, 0.5), (500, 100, 0.0), (500, 120, 0.0)],
)
def test_trapezoid(step: int, elapsed_s: float, factor: float) -> None:
    schedule = Schedule(budget_s=100, warmup_steps=10, decay_share=0.4)
    assert schedule.decaying(elapsed_s) == (elapsed_s >= 60)
    assert schedule.factor(step, elapsed_s) == pytest.approx(factor)
    assert schedule.done(elapsed_s) == (elapsed_s >= 100)


def advance(run: Run, stream: Stream, recipe: Recipe, num_steps: int) -> list[float]:
    return [update(run, run.model.loss, stream, recipe, recipe.mix) for _ in range(num_steps)]


def test_a_resumed_run_goes_on_identically(plain: Tokenizer, code: str, tmp_path: Path) -> None:
    recipe = Recipe(shape=TINY, num_rows=2)
    stream = Stream([code], plain, recipe.num_rows, TINY.context_len)
    whole = start(recipe)
    advance(whole, stream, recipe, 3)
    whole.elapsed_s = 12.5
    whole.save(tmp_path / "checkpoint.pt")
    expected = advance(whole, stream, recipe, 3)

    resumed = start(recipe)
    resumed.load(tmp_path / "checkpoint.pt")
    assert (resumed.step, resumed.elapsed_s) == (3, 12.5)
    assert advance(resumed, stream, recipe, 3) == expected
    assert resumed.num_tokens == whole.num_tokens


def test_training_lowers_the_loss(plain: Tokenizer, code: str) -> None:
    recipe = Recipe(shape=TINY, num_rows=4)
    stream = Stream([code], plain, recipe.num_rows, TINY.context_len)
    losses = advance(start(recipe), stream, recipe, 40)
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
