"""Trains the decoder for a given time, with checkpoints that a later call goes on from.

Reads the corpus and the tokenizer from the work folder, writes ``checkpoint.pt`` and
``train.jsonl`` (a line every few steps). Called by ``training.run``.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.optim import Optimizer

from training.batches import Stream
from training.corpus import read_lines
from training.infill import LATE_MIX, Mix
from training.model import Decoder, Shape
from training.optim import optimizers
from training.schedule import Schedule
from training.tokenizer import plain

logger = logging.getLogger(__name__)

STOP = "stop"
"""A file of this name in the work folder ends the run after its step, checkpoint saved."""

LossOf = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every number of the training run."""

    shape: Shape = field(default_factory=Shape)
    mix: Mix = field(default_factory=Mix)
    late_mix: Mix = LATE_MIX
    num_rows: int = 4
    matrix_lr: float = 0.02
    embed_lr: float = 0.004
    clip: float = 1.0
    seed: int = 1
    save_every_s: float = 240.0
    log_every: int = 20


@dataclass(slots=True)
class Run:
    """What changes while training; all of it is in the checkpoint."""

    model: Decoder
    optims: list[Optimizer]
    step: int = 0
    elapsed_s: float = 0.0
    num_tokens: int = 0

    def save(self, path: Path) -> None:
        """Writes the checkpoint so that a crash leaves the old one whole."""
        state = {
            "shape": self.model.shape.as_dict(),
            "model": self.model.state_dict(),
            "optims": [optim.state_dict() for optim in self.optims],
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "num_tokens": self.num_tokens,
        }
        torch.save(state, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    def load(self, path: Path) -> None:
        """Goes back to a checkpoint."""
        state: dict[str, Any] = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optim, saved in zip(self.optims, state["optims"], strict=True):
            optim.load_state_dict(saved)
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]
        self.num_tokens = state["num_tokens"]


def start(recipe: Recipe) -> Run:
    """Returns a run at step 0."""
    torch.manual_seed(recipe.seed)  # pyright: ignore[reportUnknownMemberType]  # untyped
    model = Decoder(recipe.shape)
    return Run(model, optimizers(model, recipe.matrix_lr, recipe.embed_lr))


def train(work: Path, schedule: Schedule, recipe: Recipe) -> Run:
    """Trains until the schedule's budget is spent and returns the finished run."""
    tokenizer = plain(Tokenizer.from_file(str(work / "tokenizer" / "tokenizer.json")))
    texts = [file.text for file in read_lines(work / "corpus" / "train.jsonl")]
    stream = Stream(texts, tokenizer, recipe.num_rows, recipe.shape.context_len, recipe.seed)
    run = start(recipe)
    checkpoint = work / "checkpoint.pt"
    if checkpoint.exists():
        run.load(checkpoint)
    base_rates = [[group["lr"] for group in optim.param_groups] for optim in start(recipe).optims]
    loss_of: LossOf = torch.compile(run.model.loss)  # pyright: ignore[reportUnknownMemberType]  # untyped
    saved_s = run.elapsed_s
    last = time.monotonic()
    losses: list[float] = []
    while not schedule.done(run.elapsed_s):
        factor = schedule.factor(run.step, run.elapsed_s)
        for optim, rates in zip(run.optims, base_rates, strict=True):
            for group, rate in zip(optim.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        mix = recipe.late_mix if schedule.decaying(run.elapsed_s) else recipe.mix
        losses.append(update(run, loss_of, stream, recipe, mix))
        now = time.monotonic()
        run.elapsed_s, last = run.elapsed_s + now - last, now
        if run.step % recipe.log_every == 0:
            log(work, run, factor, sum(losses) / len(losses))
            losses.clear()
        if run.elapsed_s - saved_s > recipe.save_every_s:
            run.save(checkpoint)
            saved_s = run.elapsed_s
        if (work / STOP).exists():
            logger.info("stopped by %s", work / STOP)
            break
    run.save(checkpoint)
    return run


def update(run: Run, loss_of: LossOf, stream: Stream, recipe: Recipe, mix: Mix) -> float:
    """Does one step and returns its loss in nats."""
    ids, targets, weights = stream.batch(run.step, mix)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = loss_of(ids, targets, weights)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), recipe.clip)
    for optim in run.optims:
        optim.step()
        optim.zero_grad(set_to_none=True)
    run.step += 1
    run.num_tokens += ids.numel()
    return float(loss.detach())


def log(work: Path, run: Run, factor: float, loss: float) -> None:
    """Appends one line to the training log."""
    line = {
        "step": run.step, "elapsed_s": round(run.elapsed_s, 1), "tokens": run.num_tokens,
        "rate": round(factor, 4), "loss": round(loss, 4),
    }  # fmt: skip
    with (work / "train.jsonl").open("a") as out:
        out.write(json.dumps(line) + "\n")
    logger.info("%s", line)


def main() -> None:
    """Trains from the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="budget, over all resumes")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(args.work, Schedule(budget_s=args.seconds), Recipe())


if __name__ == "__main__":
    main()
