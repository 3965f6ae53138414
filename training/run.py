"""The whole recipe in one command: corpus, tokenizer, training, export, card.

    python -m training.run --work DIR --hours 1.4 [--root SITE_PACKAGES ...] [--out MODEL_DIR]

Each stage leaves its result in the work folder and is skipped when that stands, so the same
command goes on where it was stopped. Nothing imports this module.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from training import card, corpus, export, tokenizer
from training.schedule import Schedule
from training.train import Recipe, train

SAMPLE_CHARS = 12_000_000
"""The tokenizer learns from this much; it takes two seconds."""
FILE_CHARS = 20_000
"""And from no more than this of one file."""


def run(work: Path, hours: float, roots: list[Path], out: Path) -> None:
    """Runs the stages that are not done yet."""
    recipe = Recipe()
    if not (work / "corpus" / "manifest.json").exists():
        own, stdlib = corpus.default_roots()
        corpus.build([*roots, *own], stdlib, work / "corpus")
    if not (work / "tokenizer" / "tokenizer.json").exists():
        learnt = tokenizer.train(sample(work), recipe.shape.vocab_size)
        tokenizer.save(learnt, work / "tokenizer", recipe.shape.context_len)
    schedule = Schedule(budget_s=hours * 3600)
    trained = train(work, schedule, recipe)
    if not schedule.done(trained.elapsed_s):
        return
    export.export(trained.model, work / "tokenizer", out)
    card.write(work, out, [])


def sample(work: Path) -> list[str]:
    """Returns the beginning of the corpus (which is shuffled) for the tokenizer."""
    texts: list[str] = []
    size = 0
    for file in corpus.read_lines(work / "corpus" / "train.jsonl"):
        texts.append(file.text[:FILE_CHARS])
        size += len(texts[-1])
        if size > SAMPLE_CHARS:
            break
    return texts


def main() -> None:
    """Runs the recipe from the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--hours", type=float, required=True, help="training time, all resumes")
    parser.add_argument("--root", type=Path, action="append", default=[], help="site-packages")
    parser.add_argument("--out", type=Path, help="model folder (default: WORK/model)")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    run(args.work, args.hours, args.root, args.out or args.work / "model")


if __name__ == "__main__":
    main()
