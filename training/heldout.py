"""The packages that neither tokenizer nor model sees: which they are, and their files.

Two splits: ``dev`` guides decisions, ``test`` is looked at once, for the model card. The versions
are pinned in ``requirements-heldout.txt`` and ``npm-heldout/package.json``, so that the files are
the same on every machine. Called by ``training.corpus`` and ``bench``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from training.errors import TrainingError
from training.sources import Package, Pins, SourceFile, in_order, packages, read

Split = Literal["dev", "test"]
SPLITS: tuple[Split, ...] = ("dev", "test")

HELD_OUT: dict[Split, dict[str, tuple[str, ...]]] = {
    "dev": {
        "attrs": ("attr", "attrs"),
        "click": ("click",),
        "flask": ("flask",),
        "httpx": ("httpx",),
        "marshmallow": ("marshmallow",),
        "pybind11": ("pybind11",),
        "requests": ("requests",),
        "rich": ("rich",),
        "structlog": ("structlog",),
        "npm:express": (),
        "npm:immer": ("immer",),
        "npm:zod": ("zod",),
    },
    "test": {
        "dateparser": ("dateparser",),
        "geopy": ("geopy",),
        "greenlet": ("greenlet",),
        "icalendar": ("icalendar",),
        "mido": ("mido",),
        "nanobind": ("nanobind",),
        "pyjwt": (),
        "pypdf": ("pypdf", "PyPDF2"),
        "rdflib": ("rdflib",),
        "schedule": (),
        "tinydb": ("tinydb",),
        "toolz": ("toolz", "tlz"),
        "npm:commander": ("commander",),
        "npm:fastify": ("fastify",),
        "npm:mobx": ("mobx",),
        "npm:rxjs": ("rxjs",),
    },
}
"""Package -> names of folders or modules that tell a vendored copy of it (none: too common)."""

FORKS = frozenset(
    {"httpx2", "asyncclick", "quart", "rich-click", "types-requests", "cytoolz", "pypdf2"}
    | {"pypdf3", "npm:zod-v3", "npm:rxjs-compat", "npm:mobx-lite", "npm:express5", "npm:immer-yjs"}
)
"""Rewrites of held-out packages; dropped with them."""

HERE = Path(__file__).parent


class MissingPackageError(TrainingError):
    """Held-out packages are not installed, or not in the pinned version."""


def held_out_files(
    split: Split, roots: Sequence[Path], pins: Pins | None = None
) -> list[SourceFile]:
    """Returns the split's files that pass the corpus filters, by package and path.

    ``roots`` are site-packages folders, folders that contain node_modules, or both; the pins are
    those of the repository unless given.

    Raises:
        MissingPackageError: naming each package that is absent or of another version.
    """
    pins = pinned() if pins is None else pins
    return files_of(split, packages(roots, pins), pins)


def files_of(split: Split, found: Iterable[Package], pins: Pins) -> list[SourceFile]:
    """Returns the split's files among the packages ``found``; see ``held_out_files``."""
    names = [name for name in HELD_OUT[split] if name in pins]
    there = {package.name: package for package in found if package.name in names}
    wrong = [
        f"{name}=={pins[name]} ({there[name].version if name in there else 'absent'})"
        for name in names
        if name not in there or there[name].version != pins[name]
    ]
    if wrong:
        raise MissingPackageError(
            f"held-out packages needed: {', '.join(wrong)}; install them with "
            "`pip install --no-deps --target DIR -r training/requirements-heldout.txt` and "
            "`npm ci --ignore-scripts --prefix training/npm-heldout`, "
            "and pass --root DIR --root training/npm-heldout"
        )
    return in_order([file for name in names for file in read(there[name], Counter())])


def pinned() -> dict[str, str]:
    """Returns the pinned versions of every held-out package.

    Raises:
        ValueError: where the pins and ``HELD_OUT`` name different packages.
    """
    text = (HERE / "requirements-heldout.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))
    npm = json.loads((HERE / "npm-heldout" / "package.json").read_text(encoding="utf-8"))
    pins |= {f"npm:{name}": version for name, version in npm["dependencies"].items()}
    if pins.keys() != set(names()):
        raise ValueError(f"pinned and held out differ: {sorted(pins.keys() ^ set(names()))}")
    return pins


def names() -> list[str]:
    """Returns the names of the held-out packages of both splits."""
    return [name for split in SPLITS for name in HELD_OUT[split]]


def excluded(package: str) -> bool:
    """Whether a package is held out, or is a rewrite of one that is."""
    return package in FORKS or any(package in HELD_OUT[split] for split in SPLITS)


def held_out_path(path: str) -> bool:
    """Whether a path names a (vendored) copy of a held-out package."""
    modules = {name for split in SPLITS for found in HELD_OUT[split].values() for name in found}
    pure = PurePosixPath(path)
    return bool(modules & {*pure.parts[:-1], pure.stem})
