"""Scores of completions, and their intervals: whole files are resampled.

A completion is scored as far as the expected text has lines, without blanks at line ends. Called
by the benchmarks of quality; knows neither models nor files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.cases import Case

Interval = tuple[float, float, float]
"""Estimate, low, high; 95 % bootstrap over files."""
Floats = NDArray[np.float64]

NUM_SAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure per case, as parts of a ratio: sum of ``parts`` / sum of ``weights``.

    Attributes:
        clusters: the file of each case.
        higher_is_better: false for bits per byte.
    """

    parts: Floats
    weights: Floats
    clusters: tuple[str, ...]
    higher_is_better: bool = True

    def interval(self, seed: int = 0) -> Interval:
        """Returns the ratio and its interval."""
        which = indices(self.clusters)
        sums = np.bincount(which, weights=self.parts)
        sizes = np.bincount(which, weights=self.weights)
        rng = np.random.default_rng(seed)
        drawn = rng.integers(0, len(sums), size=(NUM_SAMPLES, len(sums)))
        ratios = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
        low, high = np.quantile(ratios, (0.025, 0.975))
        return float(self.parts.sum() / self.weights.sum()), float(low), float(high)

    def minus(self, other: Measure) -> Measure:
        """Returns the paired difference to another measure of the same cases."""
        assert self.clusters == other.clusters
        assert np.array_equal(self.weights, other.weights)
        return Measure(self.parts - other.parts, self.weights, self.clusters, self.higher_is_better)

    def only(self, keep: Sequence[bool]) -> Measure:
        """Returns the measure of the cases that are kept."""
        mask = np.array(keep, dtype=bool)
        clusters = tuple(name for name, kept in zip(self.clusters, keep, strict=True) if kept)
        return Measure(self.parts[mask], self.weights[mask], clusters, self.higher_is_better)


def indices(names: Sequence[str]) -> NDArray[np.int64]:
    """Returns each name's number, in order of first appearance."""
    numbers = {name: idx for idx, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.int64)


def mean(scores: Sequence[float], clusters: Sequence[str]) -> Measure:
    """Returns the measure whose ratio is the mean of ``scores``."""
    parts = np.asarray(scores, dtype=np.float64)
    return Measure(parts, np.ones(len(parts)), tuple(clusters))


def score(cases: Sequence[Case], texts: Sequence[str]) -> dict[str, Measure]:
    """Returns the measures of one row of the table, by name.

    ``first_line`` is there for cases of several lines, ``identifier`` for cuts inside one.
    """
    pairs = [
        (cut(case.expected, case.num_lines), cut(text, case.num_lines))
        for case, text in zip(cases, texts, strict=True)
    ]
    scores = {
        "exact_match": [float(want == got) for want, got in pairs],
        "edit_similarity": [edit_similarity(want, got) for want, got in pairs],
    }
    if cases and cases[0].kind == "multi":
        scores["first_line"] = [float(cut(want, 1) == cut(got, 1)) for want, got in pairs]
    if cases and cases[0].kind == "mid":
        scores["identifier"] = [
            float(completes(case.identifier or "", text))
            for case, text in zip(cases, texts, strict=True)
        ]
    clusters = [case.cluster for case in cases]
    return {name: mean(values, clusters) for name, values in scores.items()}


def cut(text: str, num_lines: int) -> str:
    """Returns a completion as it is scored: its first lines, without blanks at their ends."""
    return "\n".join(line.rstrip() for line in text.split("\n")[:num_lines])


def completes(identifier: str, text: str) -> bool:
    """Whether ``text`` begins with the rest of the identifier and then ends it."""
    found = re.match(r"\w*", text)
    return found is not None and found.group() == identifier


def edit_similarity(one: str, other: str) -> float:
    """Returns 1 - Levenshtein distance / the longer length, in [0, 1]."""
    return 1 - distance(one, other) / max(len(one), len(other), 1)


def distance(one: str, other: str) -> int:
    """Returns the Levenshtein distance (Myers 1999, as Hyyrö 2003 states it: a column an int)."""
    if not one:
        return len(other)
    places: dict[str, int] = {}
    for idx, char in enumerate(one):
        places[char] = places.get(char, 0) | 1 << idx
    full, top = (1 << len(one)) - 1, 1 << (len(one) - 1)
    plus, minus, result = full, 0, len(one)
    for char in other:
        equal = places.get(char, 0)
        vertical = equal | minus
        horizontal = (((equal & plus) + plus) ^ plus) | equal
        up, down = minus | ~(horizontal | plus), plus & horizontal
        result += bool(up & top) - bool(down & top)
        up, down = up << 1 | 1, down << 1
        plus, minus = (down | ~(vertical | up)) & full, up & vertical & full
    return result


def clear(one: Measure, other: Measure) -> bool:
    """Whether the intervals do not touch, and ``one`` is the better."""
    (_, low, high), (_, other_low, other_high) = one.interval(), other.interval()
    return low > other_high if one.higher_is_better else high < other_low


def best(rows: Mapping[str, Measure]) -> str:
    """Returns the name of the best row by its estimate; the first of equals."""
    sign = 1 if next(iter(rows.values())).higher_is_better else -1
    return max(rows, key=lambda name: sign * rows[name].interval()[0])
