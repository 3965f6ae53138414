"""Infill cases from the held-out packages, the baselines that need no model, and the scores.

Cases are drawn with a seed from installed packages whose versions are pinned, so that they are
the same on every machine. Called by ``bench.quality``; knows no models.
"""

from __future__ import annotations

import importlib.metadata
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from training.corpus import HELD_OUT, Manifest, SourceFile, installed, read

PINS = Path(__file__).parent.parent / "training" / "requirements-heldout.txt"


class MissingPackageError(Exception):
    """Held-out packages are not installed, or not in the pinned version."""


@dataclass(frozen=True, slots=True)
class Case:
    """One cursor in one line; ``expected`` is the rest of that line."""

    package: str
    path: str
    prefix: str
    suffix: str
    expected: str


def held_out_files(roots: Sequence[Path]) -> list[SourceFile]:
    """Returns the held-out packages' files that pass the corpus filters, in a fixed order.

    Raises:
        MissingPackageError: naming each package that is absent or of another version.
    """
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", PINS.read_text(encoding="utf-8"), re.MULTILINE))
    assert pins.keys() == HELD_OUT.keys()
    found = {package.name: package for package in installed(roots) if package.name in HELD_OUT}
    wrong = [
        f"{name}=={pin} ({found[name].version if name in found else 'absent'})"
        for name, pin in sorted(pins.items())
        if name not in found or found[name].version != pin
    ]
    if wrong:
        raise MissingPackageError(
            f"held-out packages needed: {', '.join(wrong)}; "
            f"pip install --no-deps --target DIR -r {PINS.name} and pass --root DIR"
        )
    files = [file for name in sorted(found) for file in read(found[name], Manifest())]
    return sorted(files, key=lambda file: (file.package, file.path))


def draw(files: Sequence[SourceFile], num_cases: int, seed: int = 0) -> list[Case]:
    """Returns ``num_cases`` cases; every file gives one before any gives its next."""
    rng = random.Random(seed)
    order = list(files)
    rng.shuffle(order)
    cases: list[Case] = []
    while order and len(cases) < num_cases:
        for file in order[: num_cases - len(cases)]:
            cases.append(draw_one(file, rng))
    return cases


def draw_one(file: SourceFile, rng: random.Random) -> Case:
    """Returns a case at a random character of a random line that is not blank.

    The cursor stands at or after the first character that is not blank, and before the last.
    """
    lines = file.text.split("\n")
    row = rng.choice([idx for idx, line in enumerate(lines) if line.strip()])
    line = lines[row]
    cut = rng.randrange(len(line) - len(line.lstrip()), len(line.rstrip()))
    prefix = "\n".join([*lines[:row], line[:cut]])
    suffix = "".join("\n" + follow for follow in lines[row + 1 :])
    return Case(file.package, file.path, prefix, suffix, line[cut:].rstrip())


def copy_line(case: Case) -> str:
    """Returns what followed in the most similar earlier line of the file.

    Most similar: the longest common beginning, indentation aside; the latest of equals. The text
    is taken from behind the longest end of the typed part that stands in that line.
    """
    *earlier, head = (line.strip() for line in case.prefix.split("\n"))
    if case.prefix.endswith(" ") and head:
        head += " "
    best = max(reversed(earlier), key=lambda line: common_len(line, head), default="")
    return rest_after(best, head)


def copy_suffix(case: Case) -> str:
    """Returns what followed the longest earlier occurrence of the text before the cursor.

    A stronger copy than ``copy_line``: the match may reach over lines.
    """
    text = case.prefix
    low, high = 0, min(len(text) - 1, 2000)
    while low < high:
        middle = (low + high + 1) // 2
        if text.rfind(text[-middle:], 0, len(text) - 1) >= 0:
            low = middle
        else:
            high = middle - 1
    if low == 0:
        return ""
    end = text.rfind(text[-low:], 0, len(text) - 1) + low
    return text[end:].split("\n", 1)[0].rstrip()


def rest_after(line: str, head: str) -> str:
    """Returns the part of ``line`` behind the longest end of ``head`` that stands in it."""
    for start in range(len(head)):
        place = line.rfind(head[start:])
        if place >= 0:
            return line[place + len(head) - start :].rstrip()
    return line


def common_len(one: str, other: str) -> int:
    """Returns the length of the common beginning."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def first_line(text: str) -> str:
    """Returns a completion as it is scored: its first line, without trailing blanks."""
    return text.split("\n", 1)[0].rstrip()


def edit_similarity(one: str, other: str) -> float:
    """Returns 1 - Levenshtein distance / the longer length, in [0, 1]."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(other, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return 1 - row[-1] / max(len(one), len(other), 1)


def interval(
    scores: Sequence[float], clusters: Sequence[str], num_samples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Returns the mean and its 95 % bootstrap interval, whole clusters (files) resampled."""
    names = {name: idx for idx, name in enumerate(dict.fromkeys(clusters))}
    which = np.array([names[name] for name in clusters])
    sums = np.bincount(which, weights=np.asarray(scores, dtype=np.float64))
    sizes = np.bincount(which).astype(np.float64)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(names), size=(num_samples, len(names)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(np.mean(scores)), float(low), float(high)


def installed_versions() -> dict[str, str]:
    """Returns the versions of what the reference path depends on, where installed."""
    versions: dict[str, str] = {}
    for name in ("torch", "transformers", "tokenizers"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
