"""Gathers the training text from installed packages: licence gate, hold-out, filters, duplicates.

Reads site-packages folders and the standard library, writes JSON lines and a manifest into a work
folder. Knows nothing of tokens. Called by ``training.run``; ``bench.cases`` shares the held-out
list.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import random
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

from training.dedup import Duplicates, HeldOutLines
from training.filters import clean, reject, skip_path
from training.licences import permissive

logger = logging.getLogger(__name__)

HELD_OUT = {
    "attrs": ("attr", "attrs"),
    "click": ("click",),
    "flask": ("flask",),
    "httpx": ("httpx",),
    "marshmallow": ("marshmallow",),
    "requests": ("requests",),
    "rich": ("rich",),
    "structlog": ("structlog",),
}
"""Distribution -> its import packages. Held out whole: no tokenizer and no model sees them."""

FORKS = {"httpx2", "asyncclick", "quart", "rich-click", "types-requests"}
"""Distributions that are rewrites of held-out ones; dropped with them."""

MAX_PACKAGE_BYTES = 3_000_000
"""No single distribution fills more of the corpus than this."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the corpus; ``path`` is relative to its site-packages or stdlib folder."""

    package: str
    licence: str
    path: str
    text: str


@dataclass(slots=True)
class Manifest:
    """What was taken and what was dropped, for the model card."""

    packages: dict[str, dict[str, str | int]] = field(
        default_factory=dict[str, dict[str, str | int]]
    )
    refused: dict[str, str] = field(default_factory=dict[str, str])
    dropped: Counter[str] = field(default_factory=Counter[str])

    def add(self, file: SourceFile, version: str) -> None:
        """Counts a kept file."""
        entry = self.packages.setdefault(
            file.package, {"version": version, "licence": file.licence, "files": 0, "bytes": 0}
        )
        entry["files"] = int(entry["files"]) + 1
        entry["bytes"] = int(entry["bytes"]) + len(file.text.encode())

    def as_json(self) -> dict[str, object]:
        """Returns the manifest as plain dictionaries."""
        return {
            "packages": self.packages,
            "refused": self.refused,
            "dropped": dict(self.dropped),
        }


@dataclass(frozen=True, slots=True)
class Package:
    """A distribution (or the standard library) with the files that may be read."""

    name: str
    version: str
    licence: str | None
    files: tuple[tuple[str, Path], ...]


def build(roots: Iterable[Path], stdlib: Path | None, out: Path, seed: int = 0) -> Manifest:
    """Writes ``train.jsonl``, ``heldout.jsonl`` and ``manifest.json`` into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    packages = list(installed(roots))
    if stdlib is not None:
        packages.append(standard_library(stdlib))
    manifest = Manifest()
    held_out = [f for p in packages if p.name in HELD_OUT for f in read(p, manifest)]
    foreign = HeldOutLines(f.text for f in held_out)
    kept: list[SourceFile] = []
    duplicates = Duplicates()
    for package in packages:
        kept += select(package, foreign, duplicates, manifest, random.Random(seed))
    random.Random(seed).shuffle(kept)
    write_lines(out / "train.jsonl", kept)
    write_lines(out / "heldout.jsonl", held_out)
    (out / "manifest.json").write_text(json.dumps(manifest.as_json(), indent=1, sort_keys=True))
    logger.info("%d files, %d bytes", len(kept), sum(len(f.text) for f in kept))
    return manifest


def select(
    package: Package,
    foreign: HeldOutLines,
    duplicates: Duplicates,
    manifest: Manifest,
    rng: random.Random,
) -> list[SourceFile]:
    """Returns the files of one package that are trained on, at most ``MAX_PACKAGE_BYTES``."""
    if package.name in HELD_OUT or package.name in FORKS:
        return []
    if package.licence is None:
        manifest.refused[package.name] = "licence"
        return []
    files = list(read(package, manifest))
    rng.shuffle(files)
    kept: list[SourceFile] = []
    size = 0
    for file in files:
        reason = (
            "package full" if size > MAX_PACKAGE_BYTES
            else "held-out name" if held_out_path(file.path)
            else "held-out lines" if foreign.overlaps(file.text)
            else "duplicate" if duplicates.seen(file.text)
            else None
        )  # fmt: skip
        if reason:
            manifest.dropped[reason] += 1
            continue
        size += len(file.text)
        kept.append(file)
        manifest.add(file, package.version)
    return kept


def read(package: Package, manifest: Manifest) -> Iterator[SourceFile]:
    """Yields the cleaned files of ``package`` that pass the filters."""
    for path, place in package.files:
        reason = skip_path(path)
        if reason is None:
            try:
                text = clean(place.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError):
                reason = "unreadable"
            else:
                reason = reject(text)
                if reason is None:
                    yield SourceFile(package.name, package.licence or "", path, text)
        if reason and reason != "not python":
            manifest.dropped[reason] += 1


def held_out_path(path: str) -> bool:
    """Whether a path names a (vendored) copy of a held-out package."""
    names = {name for modules in HELD_OUT.values() for name in modules}
    pure = PurePosixPath(path)
    return bool(names & {*pure.parts[:-1], pure.stem})


def installed(roots: Iterable[Path]) -> Iterator[Package]:
    """Yields the distributions below site-packages folders, each name once, in name order."""
    found: dict[str, Package] = {}
    for root in roots:
        for dist in importlib.metadata.distributions(path=[str(root)]):
            name = str(dist.metadata["Name"]).lower().replace("_", "-")
            files = tuple(
                (str(f), Path(str(f.locate())))
                for f in dist.files or ()
                if not str(f).startswith("..")
            )
            found.setdefault(name, Package(name, dist.version, permissive(dist.metadata), files))
    yield from (found[name] for name in sorted(found))


def standard_library(folder: Path) -> Package:
    """Returns the standard library in ``folder`` (without site-packages) as a package."""
    files = tuple(
        (place.relative_to(folder).as_posix(), place)
        for place in sorted(folder.rglob("*.py"))
        if "site-packages" not in place.parts and "dist-packages" not in place.parts
    )
    version = ".".join(map(str, sys.version_info[:3]))
    return Package("python", version, "PSF-2.0", files)


def default_roots() -> tuple[list[Path], Path]:
    """Returns the running interpreter's site-packages and standard library folders."""
    paths = sysconfig.get_paths()
    return sorted({Path(paths["purelib"]), Path(paths["platlib"])}), Path(paths["stdlib"])


def write_lines(path: Path, files: Iterable[SourceFile]) -> None:
    """Writes one JSON object a file."""
    with path.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(asdict(file)) + "\n" for file in files)


def read_lines(path: Path) -> list[SourceFile]:
    """Reads what ``write_lines`` wrote."""
    with path.open(encoding="utf-8") as lines:
        return [SourceFile(**json.loads(line)) for line in lines]
