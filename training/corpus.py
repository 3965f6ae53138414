"""Gathers the training text from installed packages: licence gate, hold-out, filters, duplicates.

    python -m training.corpus --out DIR [--root SITE_PACKAGES_OR_NODE_MODULES ...]

Writes ``train.jsonl``, ``dev.jsonl``, ``test.jsonl`` and ``manifest.json``. The same roots give
the same files in the same order. Knows nothing of tokens. Called by ``training.run``.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import multiprocessing
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from training import heldout
from training.dedup import Duplicates, HeldOutLines, Sketch, sketch
from training.heldout import held_out_path
from training.languages import BY_NAME, Group
from training.manifest import Manifest, tally
from training.sources import (
    Package,
    Pins,
    SourceFile,
    check_roots,
    default_roots,
    packages,
    read_some,
    standard_library,
)

__all__ = ["HELD_OUT", "SourceFile", "build", "default_roots", "read_lines", "write_lines"]

logger = logging.getLogger(__name__)

HELD_OUT = heldout.HELD_OUT["dev"]
"""What version 0 held out is a part of it."""

MAX_PACKAGE_BYTES = 8_000_000
"""No single distribution fills more of the corpus than this."""
MAX_DECLARATION_BYTES = 60_000
"""And no more of it is TypeScript declarations without code."""
BUDGET: dict[Group, int] = {
    "python": 320_000_000,
    "javascript": 75_000_000,
    "c": 36_000_000,
    "text": 32_000_000,
}
"""Bytes of each group of languages; what is over after the shuffle is dropped."""


@dataclass(slots=True)
class Gathered:
    """What one package gives before its files are compared with other packages'."""

    files: list[SourceFile]
    sketches: list[Sketch]
    dropped: Counter[str]


def build(
    roots: Iterable[Path],
    stdlib: Path | None,
    out: Path,
    seed: int = 0,
    pins: Pins | None = None,
    num_workers: int = 1,
) -> Manifest:
    """Writes the corpus of what is installed below ``roots`` into ``out``.

    ``pins`` are the held-out packages, which must be there (the repository's unless given).

    Raises:
        MissingPackageError: where a held-out package is absent or of another version, since
            copies of its files could not be told.
    """
    out.mkdir(parents=True, exist_ok=True)
    pins = heldout.pinned() if pins is None else pins
    found = packages(roots, pins)
    versions = {package.name: package.version for package in found}
    manifest = Manifest()
    held_out: list[SourceFile] = []
    for split in heldout.SPLITS:
        files = heldout.files_of(split, found, pins)
        write_lines(out / f"{split}.jsonl", files)
        manifest.held_out[split] = tally(files, versions)
        held_out += files
    if stdlib is not None:
        found.append(standard_library(stdlib))
        versions["python"] = found[-1].version
    usable = [package for package in found if allowed(package, manifest)]
    kept: list[SourceFile] = []
    duplicates = Duplicates()
    foreign = HeldOutLines(file.text for file in held_out)
    for gathered in gather_all(usable, foreign, seed, num_workers):
        manifest.dropped += gathered.dropped
        for file, mark in zip(gathered.files, gathered.sketches, strict=True):
            if duplicates.seen(mark):
                manifest.dropped["duplicate"] += 1
            else:
                kept.append(file)
    random.Random(seed).shuffle(kept)
    kept = within_budget(kept, manifest)
    manifest.packages = tally(kept, versions)
    write_lines(out / "train.jsonl", kept)
    text = json.dumps(manifest.as_json(), indent=1, sort_keys=True)
    (out / "manifest.json").write_text(text + "\n", encoding="utf-8")
    logger.info("%d files, %s", len(kept), dict(manifest.languages))
    return manifest


def allowed(package: Package, manifest: Manifest) -> bool:
    """Whether a package may be trained on; notes in the manifest where its licence forbids it."""
    if heldout.excluded(package.name):
        return False
    if package.licence is None:
        manifest.refused[package.name] = "licence"
        return False
    return True


def gather_all(
    usable: Sequence[Package], foreign: HeldOutLines, seed: int, num_workers: int
) -> Iterator[Gathered]:
    """Yields what each package gives, in their order."""
    shares = [usable[idx::num_workers] for idx in range(num_workers)]
    one = functools.partial(gather_share, foreign=foreign, seed=seed)
    if num_workers == 1:
        done = [one(shares[0])]
    else:
        # Not fork: Python 3.12 warns of it in a process with threads, which torch has.
        with multiprocessing.get_context("spawn").Pool(num_workers) as pool:
            done = pool.map(one, shares, chunksize=1)
    for idx in range(len(usable)):
        yield done[idx % num_workers][idx // num_workers]


def gather_share(usable: Sequence[Package], foreign: HeldOutLines, seed: int) -> list[Gathered]:
    """Returns what each package of one worker's share gives."""
    return [gather(package, foreign, seed) for package in usable]


def gather(package: Package, foreign: HeldOutLines, seed: int) -> Gathered:
    """Returns the files of one package that may be trained on, and their sketches."""
    dropped: Counter[str] = Counter()
    kept: list[SourceFile] = []
    for file in read_some(package, MAX_PACKAGE_BYTES, MAX_DECLARATION_BYTES, dropped, seed):
        if held_out_path(file.path):
            dropped["held-out name"] += 1
        elif foreign.overlaps(file.text):
            dropped["held-out lines"] += 1
        else:
            kept.append(file)
    return Gathered(kept, [sketch(file.text) for file in kept], dropped)


def within_budget(files: Sequence[SourceFile], manifest: Manifest) -> list[SourceFile]:
    """Returns the files, in order, that fit the budgets of their groups of languages."""
    sizes: Counter[Group] = Counter()
    kept: list[SourceFile] = []
    for file in files:
        group = BY_NAME[file.language].group
        if sizes[group] > BUDGET[group]:
            manifest.dropped["over budget"] += 1
            continue
        sizes[group] += len(file.text.encode())
        kept.append(file)
    return kept


def write_lines(path: Path, files: Iterable[SourceFile]) -> None:
    """Writes one JSON object a file."""
    with path.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(asdict(file)) + "\n" for file in files)


def read_lines(path: Path) -> list[SourceFile]:
    """Reads what ``write_lines`` wrote."""
    with path.open(encoding="utf-8") as lines:
        return [SourceFile(**json.loads(line)) for line in lines]


def main() -> None:
    """Builds the corpus from the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--root", type=Path, action="append", default=[], help="site-packages, or node_modules"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    own, stdlib = default_roots()
    check_roots(args.root)
    build([*args.root, *own], stdlib, args.out, num_workers=args.workers)


if __name__ == "__main__":
    main()
