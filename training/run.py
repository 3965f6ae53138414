"""The whole recipe in one command: corpus, tokenizer, training, export, card.

    python -m training.run --work DIR --tokens 30e6 [--size small|full] [--device cuda]
        [--root SITE_PACKAGES_OR_NODE_MODULES ...] [--init MODEL_DIR] [--slice-s 500]

Each stage leaves its result in the work folder and is skipped when that stands, so the same
command goes on where it was stopped. Nothing imports this module.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import math
import os
import shutil
from collections.abc import Generator
from pathlib import Path

from tokenizers import Tokenizer

from training import card, corpus, export, tokenizer
from training.errors import TrainingError
from training.recipe import SIZES, Recipe
from training.schedule import Schedule
from training.sources import check_roots
from training.train import train

logger = logging.getLogger(__name__)

SAMPLE_CHARS = 24_000_000
"""The tokenizer learns from this much; it takes twenty seconds."""
FILE_CHARS = 20_000
"""And from no more than this of one file."""


def prepare(work: Path, recipe: Recipe, roots: list[Path], init: Path | None) -> None:
    """Makes corpus and tokenizer where they are not there yet; ``init`` brings its tokenizer.

    Raises:
        TrainingError: a root holds no package, or the tokenizer does not fit the recipe.
    """
    if not (work / "corpus" / "manifest.json").exists():
        own, stdlib = corpus.default_roots()
        check_roots(roots)
        with whole(work / "corpus") as out:
            corpus.build([*roots, *own], stdlib, out, num_workers=os.cpu_count() or 1)
    if not (work / "tokenizer" / "special_tokens_map.json").exists():  # the last to be written
        with whole(work / "tokenizer") as out:
            bring_tokenizer(work, recipe, init, out)
    check_vocab(work / "tokenizer", recipe)


def bring_tokenizer(work: Path, recipe: Recipe, init: Path | None, out: Path) -> None:
    """Writes the tokenizer of ``init``, or one learnt from the corpus, into ``out``."""
    if init is None:
        learnt = tokenizer.train(sample(work), recipe.shape.vocab_size)
        tokenizer.save(learnt, out, recipe.shape.context_len)
    else:
        for name in export.TOKENIZER_FILES:
            shutil.copyfile(init / name, out / name)
    check_vocab(out, recipe)


def check_init(folder: Path, recipe: Recipe) -> None:
    """Looks whether a model can be gone on from, before anything is built for it.

    Raises:
        TrainingError: it cannot.
    """
    if not (folder / "config.json").is_file():
        raise TrainingError(f"--init {folder} is no model folder")
    missing = [name for name in export.TOKENIZER_FILES if not (folder / name).is_file()]
    if missing:
        raise TrainingError(f"--init {folder} has no {missing[0]}")
    check_vocab(folder, recipe)


def check_vocab(folder: Path, recipe: Recipe) -> None:
    """Looks whether a tokenizer has as many ids as the model, which the export needs.

    Raises:
        TrainingError: it has not.
    """
    size = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    if size != recipe.shape.vocab_size:
        raise TrainingError(
            f"the tokenizer has {size} ids, and a model of this --size {recipe.shape.vocab_size}: "
            "the corpus is too small, or --work or --init are of another --size"
        )


@contextlib.contextmanager
def whole(folder: Path) -> Generator[Path]:
    """Gives a folder to write into that takes the name of ``folder`` once all is written."""
    draft = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    yield draft
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


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
    """Runs the stages that are not done yet, from the command line."""
    args = parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        run(args)
    except TrainingError as error:
        raise SystemExit(f"training.run: {error}") from None


def run(args: argparse.Namespace) -> None:
    """Runs the stages that are not done yet.

    Raises:
        TrainingError: what was asked for cannot be done.
    """
    recipe = SIZES[args.size]
    num_steps = round(args.tokens / recipe.step_tokens)
    if num_steps < 1:
        raise TrainingError(f"--tokens {args.tokens:g}: a step takes {recipe.step_tokens}")
    is_new = not (args.work / "checkpoint.pt").exists()
    if is_new and args.init is not None:
        check_init(args.init, recipe)
    prepare(args.work, recipe, args.root, args.init)
    schedule = Schedule(num_steps, peak=args.peak, decay_share=args.decay_share)
    trained = train(
        args.work, schedule, recipe, device=args.device, num_workers=args.num_workers,
        slice_s=args.slice_s, init=args.init,
    )  # fmt: skip
    if trained.step < schedule.num_steps:
        logger.info("step %d of %d: call again to go on", trained.step, schedule.num_steps)
        return
    out = args.out or args.work / "model"
    export.export(trained.model.cpu(), args.work / "tokenizer", out)
    card.write(args.work, out)


def num_tokens(text: str) -> float:
    """Returns a number of tokens, which may be written as ``270e6``."""
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value


def parse() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tokens", type=num_tokens, required=True, help="of the whole run")
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--num-workers", type=int, default=0, help="that prepare batches")
    parser.add_argument("--slice-s", type=float, help="stop after this, checkpoint saved")
    parser.add_argument("--init", type=Path, help="go on from this model folder")
    parser.add_argument("--peak", type=float, default=1.0, help="share of the peak rates")
    parser.add_argument("--decay-share", type=float, default=0.65, help="of the steps")
    parser.add_argument(
        "--root", type=Path, action="append", default=[],
        help="folder of installed packages: site-packages or one that holds node_modules",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="model folder (default: WORK/model)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
