"""Trains the decoder for a number of tokens, with checkpoints that a later call goes on from.

Reads the corpus and the tokenizer from the work folder, writes ``checkpoint.pt`` and
``train.jsonl`` (a line every few steps). Called by ``training.run``.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]  # untyped path
from tokenizers import Tokenizer
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset

from training.batches import Batch, Phase, Stream, shelves
from training.corpus import read_lines
from training.errors import TrainingError
from training.infill import Document
from training.model import Decoder
from training.optim import optimizers
from training.recipe import Recipe
from training.schedule import Schedule
from training.tokenizer import plain

logger = logging.getLogger(__name__)

STOP = "stop"
"""A file of this name in the work folder ends the slice after its step, checkpoint saved, and
is removed, so that the same command goes on."""


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
        """Goes back to a checkpoint.

        Raises:
            TrainingError: it is of a model of another shape.
        """
        device = self.model.embed_tokens.weight.device
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        if state["shape"] != self.model.shape.as_dict():
            raise TrainingError(f"{path} is of another --size: give that, or another --work")
        self.model.load_state_dict(state["model"])
        for optim, saved in zip(self.optims, state["optims"], strict=True):
            optim.load_state_dict(saved)
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]
        self.num_tokens = state["num_tokens"]


def start(recipe: Recipe, device: str = "cpu", init: Path | None = None) -> Run:
    """Returns a run at step 0, from random weights or from those of the model folder ``init``.

    Raises:
        TrainingError: the folder holds no model of this shape.
    """
    torch.manual_seed(recipe.seed)  # pyright: ignore[reportUnknownMemberType]  # untyped
    model = Decoder(recipe.shape)
    if init is not None:
        found: dict[str, Tensor] = {}
        for shard in sorted(init.glob("model*.safetensors")):
            found |= load_file(shard)
        state = {name.removeprefix("model."): value.float() for name, value in found.items()}
        try:
            model.load_state_dict(state)
        except RuntimeError:  # a page of names and sizes
            raise TrainingError(f"--init {init} holds no model of this --size") from None
    model.to(device)
    return Run(model, optimizers(model, recipe.matrix_lr, recipe.embed_lr))


def stream_of(work: Path, recipe: Recipe, schedule: Schedule) -> Stream:
    """Returns the batches of the corpus and the tokenizer in ``work``."""
    docs = [
        Document(file.path, file.language, file.text)
        for file in read_lines(work / "corpus" / "train.jsonl")
    ]

    def phase_of(step: int) -> Phase:
        return recipe.late if step >= schedule.decay_start else recipe.early

    tokenizer = plain(Tokenizer.from_file(str(work / "tokenizer" / "tokenizer.json")))
    return Stream(
        shelves(docs), recipe.shares, tokenizer, recipe.step_tokens, phase_of, recipe.seed
    )


class Steps(Dataset[Batch]):
    """The batches of a stream from a step on."""

    def __init__(self, stream: Stream, first: int, num_steps: int) -> None:
        """Takes steps ``[first, num_steps)``."""
        self._stream, self._first, self._num_steps = stream, first, num_steps

    def __len__(self) -> int:
        """Returns how many steps are left."""
        return self._num_steps - self._first

    def __getitem__(self, idx: int) -> Batch:
        """Returns the batch of step ``first + idx``."""
        return self._stream.batch(self._first + idx)


def train(
    work: Path,
    schedule: Schedule,
    recipe: Recipe,
    *,
    device: str = "cpu",
    num_workers: int = 0,
    slice_s: float | None = None,
    init: Path | None = None,
) -> Run:
    """Trains until the schedule's last step or for ``slice_s`` seconds and returns the run.

    Goes on from ``checkpoint.pt``; ``init`` counts only where there is none.

    Raises:
        TrainingError: the checkpoint or ``init`` does not fit.
    """
    checkpoint = work / "checkpoint.pt"
    run = start(recipe, device, None if checkpoint.exists() else init)
    base_rates = [[group["lr"] for group in optim.param_groups] for optim in run.optims]
    if checkpoint.exists():
        run.load(checkpoint)
    if run.step > schedule.num_steps:
        raise TrainingError(
            f"{checkpoint} has done {run.step} steps, and --tokens asks for {schedule.num_steps}: "
            "give more, or another --work"
        )
    steps = Steps(stream_of(work, recipe, schedule), run.step, schedule.num_steps)
    loader = DataLoader(steps, batch_size=None, num_workers=num_workers, pin_memory=device != "cpu")
    run.model.compile_parts()
    began = last = saved = time.monotonic()
    losses: list[Tensor] = []
    batches: Iterator[Batch] = iter(loader)
    for batch in batches:
        factor = schedule.factor(run.step)
        set_rates(run.optims, base_rates, factor)
        losses.append(update(run, batch, recipe, device))
        now = time.monotonic()
        run.elapsed_s, last = run.elapsed_s + now - last, now
        if run.step % recipe.log_every == 0 or run.step == schedule.num_steps:
            log(work, run, factor, float(torch.stack(losses).mean()))
            losses.clear()
        asked = (work / STOP).exists()
        stopped = asked or (slice_s is not None and now - began > slice_s)
        if stopped or now - saved > recipe.save_every_s:
            run.save(checkpoint)
            saved = now
        if asked:
            (work / STOP).unlink()
            logger.info("stopped, since %s was there; it is removed", work / STOP)
        if stopped:
            return run
    run.save(checkpoint)
    return run


def set_rates(optims: list[Optimizer], base_rates: list[list[float]], factor: float) -> None:
    """Gives every group ``factor`` of its base rate."""
    for optim, rates in zip(optims, base_rates, strict=True):
        for group, rate in zip(optim.param_groups, rates, strict=True):
            group["lr"] = rate * factor


def update(run: Run, batch: Batch, recipe: Recipe, device: str = "cpu") -> Tensor:
    """Does one step and returns its loss in nats, a tensor so that a GPU need not wait."""
    ids, targets, weights = (each.to(device, non_blocking=True) for each in batch)
    with torch.autocast(torch.device(device).type, dtype=torch.bfloat16):
        loss = run.model.loss(ids, targets, weights)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), recipe.clip)
    for optim in run.optims:
        optim.step()
        optim.zero_grad(set_to_none=True)
    run.step += 1
    run.num_tokens += ids.numel()
    return loss.detach()


def log(work: Path, run: Run, factor: float, loss: float) -> None:
    """Appends one line to the training log."""
    line = {
        "step": run.step, "elapsed_s": round(run.elapsed_s, 1), "tokens": run.num_tokens,
        "rate": round(factor, 4), "loss": round(loss, 4),
    }  # fmt: skip
    with (work / "train.jsonl").open("a") as out:
        out.write(json.dumps(line) + "\n")
    logger.info("%s", line)
