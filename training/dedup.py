"""Exact and near duplicates, and what overlaps with the held-out files.

Files are compared as sets of normalised lines. Called by ``training.corpus``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from datasketch import (  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # ships no types
    LeanMinHash,
    MinHash,
    MinHashLSH,
)

NEAR = 0.7
"""Jaccard similarity of the line sets from which a file counts as a near duplicate."""
NUM_PERM = 64
LINE_MIN_LEN = 25
"""Shorter lines (``return self``) say nothing about where they come from."""
MAX_HELD_OUT_SHARE = 0.2
"""A training file of whose long lines more than this stand in held-out files is dropped."""


def line_set(text: str, min_len: int = 8) -> set[str]:
    """Returns the distinct lines of ``text``, spaces collapsed, of at least ``min_len``."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return {line for line in lines if len(line) >= min_len}


@dataclass(frozen=True, slots=True)
class Sketch:
    """What comparing a file needs of it; small, so that worker processes can send it."""

    digest: bytes
    minhash: LeanMinHash


def sketch(text: str) -> Sketch:
    """Returns the sketch of ``text``; the slow part, which processes can share out."""
    lines = line_set(text)
    digest = hashlib.blake2b("\n".join(sorted(lines)).encode(), digest_size=16).digest()
    minhash = MinHash(num_perm=NUM_PERM)
    minhash.update_batch([line.encode() for line in lines])  # pyright: ignore[reportUnknownMemberType]  # no types
    return Sketch(digest, LeanMinHash(minhash))


class Duplicates:
    """Remembers the files seen so far; ``seen`` asks and adds in one step."""

    def __init__(self) -> None:
        """Starts empty."""
        self._exact: set[bytes] = set()
        self._near = MinHashLSH(threshold=NEAR, num_perm=NUM_PERM)

    def seen(self, file: Sketch) -> bool:
        """Whether a file equal or near to the sketched one was asked for before."""
        if file.digest in self._exact:
            return True
        self._exact.add(file.digest)
        if self._near.query(file.minhash):  # pyright: ignore[reportUnknownMemberType]  # no types
            return True
        self._near.insert(file.digest, file.minhash)
        return False


class HeldOutLines:
    """The long lines of the held-out files."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Collects the lines of ``texts``."""
        self._lines: set[str] = set()
        for text in texts:
            self._lines |= line_set(text, LINE_MIN_LEN)

    def overlaps(self, text: str) -> bool:
        """Whether too many of the long lines of ``text`` stand in held-out files."""
        lines = line_set(text, LINE_MIN_LEN)
        return len(lines & self._lines) > MAX_HELD_OUT_SHARE * max(len(lines), 5)
