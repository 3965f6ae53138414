"""An n-gram model over the tokenizer's ids: the smoothed baseline that the model has to beat.

    python -m bench.ngram --corpus FILE --tokenizer MODEL --out DIR

FILE is the ``train.jsonl`` of ``training.corpus``.

Interpolated modified Kneser-Ney (Chen and Goodman 1998). One sorted array per order holds every
n-gram of the text, its context's hash above its last token, so the continuations of a context
are one slice:

    key = hash of the context (48 bits) << 16 | token          counts[key]

Two contexts share a hash with a chance of about 1e-7 a look-up at 30 million contexts. KenLM would
be the library for this; its package on PyPI reads models, but estimating them takes its lmplz,
a C++ program with Boost that pip does not bring. Called by ``bench.adaptive``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from training.corpus import read_lines
from training.reference import Vocabulary

Keys = NDArray[np.uint64]
Ids = NDArray[np.uint16]

ORDER = 6
"""Tokens of the longest n-gram."""
TOKEN_BITS = np.uint64(16)
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
MIXER = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True, slots=True)
class Level:
    """All n-grams of one order: sorted keys, their counts, and the discount of 1, 2, 3 and more.

    Below the highest order a count is the number of different tokens seen before the n-gram.
    """

    keys: Keys
    counts: NDArray[np.uint32]
    discounts: NDArray[np.float64]


class Ngram:
    """The model; a distribution is float64 [V] and sums to 1."""

    def __init__(self, levels: Sequence[Level], vocab_size: int) -> None:
        """Takes the levels from order 1 up."""
        self._levels = list(levels)
        self.vocab_size = vocab_size
        uniform = np.full(vocab_size, 1 / vocab_size)
        self._unigram = self._refine(uniform, self._levels[0], np.uint64(0))

    @property
    def order(self) -> int:
        """Tokens of the longest n-gram."""
        return len(self._levels)

    def distribution(self, context: Sequence[int]) -> NDArray[np.float64]:
        """Returns the chance of each id after ``context``, of which the end counts."""
        chances = self._unigram
        recent = list(context)[-(self.order - 1) :] if self.order > 1 else []
        for num in range(1, len(recent) + 1):
            digest = context_hash(recent[-num:])
            refined = self._refine(chances, self._levels[num], digest)
            if refined is chances:
                break
            chances = refined
        return chances

    def _refine(
        self, lower: NDArray[np.float64], level: Level, digest: np.uint64
    ) -> NDArray[np.float64]:
        """Interpolates one order on the next lower one; unseen contexts leave it as it is."""
        begin = digest << TOKEN_BITS
        first, end = np.searchsorted(level.keys, (begin, begin | np.uint64(0xFFFF)))
        end += end < len(level.keys) and level.keys[end] == begin | np.uint64(0xFFFF)
        if first == end:
            return lower
        counts = level.counts[first:end]
        discounts = level.discounts[np.minimum(counts, 3)]
        total = counts.sum(dtype=np.float64)
        chances: NDArray[np.float64] = lower * (discounts.sum() / total)
        tokens = (level.keys[first:end] & np.uint64(0xFFFF)).astype(np.int64)
        chances[tokens] += (counts - discounts) / total
        return chances

    def save(self, folder: Path) -> None:
        """Writes the arrays into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        for num, level in enumerate(self._levels, start=1):
            np.save(folder / f"keys-{num}.npy", level.keys)
            np.save(folder / f"counts-{num}.npy", level.counts)
        meta = {
            "vocab_size": self.vocab_size,
            "discounts": [level.discounts.tolist() for level in self._levels],
        }
        (folder / "ngram.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")


def load(folder: Path) -> Ngram:
    """Returns the model that ``save`` wrote; its arrays stay on disk until they are read."""
    meta = json.loads((folder / "ngram.json").read_text(encoding="utf-8"))
    levels = [
        Level(
            np.load(folder / f"keys-{num}.npy", mmap_mode="r"),
            np.load(folder / f"counts-{num}.npy", mmap_mode="r"),
            np.asarray(discounts),
        )
        for num, discounts in enumerate(meta["discounts"], start=1)
    ]
    return Ngram(levels, int(meta["vocab_size"]))


def context_hash(context: Sequence[int]) -> np.uint64:
    """Returns the 48-bit hash of a context, as ``hashes`` computes it for a whole text."""
    ids = np.array([*context, 0], dtype=np.uint16)
    return np.uint64(hashes(ids, len(context))[-1])


def hashes(ids: Ids, length: int) -> Keys:
    """Returns for each position >= ``length`` the 48-bit hash of the ``length`` ids before it."""
    digest = np.zeros(len(ids) - length, dtype=np.uint64)
    for place in range(length):
        digest = (digest ^ (ids[place : place + len(digest)].astype(np.uint64) + np.uint64(1))) * (
            MULTIPLIER
        )
        digest ^= digest >> np.uint64(29)
        digest *= MIXER
        digest ^= digest >> np.uint64(32)
    return digest >> TOKEN_BITS


def estimate(ids: Ids, bos: int, vocab_size: int, order: int = ORDER) -> Ngram:
    """Returns the model of a text in which each document begins with ``order - 1`` times ``bos``.

    Raises:
        ValueError: for a vocabulary whose ids need more than 16 bits.
    """
    if vocab_size > 1 << int(TOKEN_BITS):
        raise ValueError(f"a vocabulary of {vocab_size} ids does not fit the keys: at most 65536")
    places = np.flatnonzero(ids != bos)
    places = places[places >= order - 1]
    levels: list[Level] = []
    counts: NDArray[np.int64] | None = None
    for num in range(order, 0, -1):
        # Below the highest order, `places` has one position for each distinct longer n-gram.
        full = hashes(ids, num - 1)[places - (num - 1)] << TOKEN_BITS
        keys, first, counts = np.unique(
            full | ids[places].astype(np.uint64), return_index=True, return_counts=True
        )
        places = places[first]
        levels.append(Level(keys, counts.astype(np.uint32), discounts_of(counts)))
    return Ngram(levels[::-1], vocab_size)


def discounts_of(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns the discount of counts 0, 1, 2, 3 and more; 0.75 where a text is too small to say."""
    n1, n2, n3, n4 = (int((counts == num).sum()) for num in (1, 2, 3, 4))
    if not (n1 and n2 and n3 and n4):
        return np.array([0, 0.75, 0.75, 0.75])
    base = n1 / (n1 + 2 * n2)
    found = [1 - 2 * base * n2 / n1, 2 - 3 * base * n3 / n2, 3 - 4 * base * n4 / n3]
    return np.array([0, *(min(max(each, 0.1), num) for num, each in enumerate(found, start=1))])


def encode_corpus(corpus: Path, vocabulary: Vocabulary, order: int) -> Ids:
    """Returns the ids of all documents, each behind ``order - 1`` times the first id."""
    front = [vocabulary.sentinels.bos] * (order - 1)
    parts = [
        np.array([*front, *vocabulary.encode(file.text), vocabulary.sentinels.eos], dtype=np.uint16)
        for file in read_lines(corpus)
    ]
    return np.concatenate(parts)


def build(corpus: Path, tokenizer: Path, out: Path, order: int = ORDER) -> int:
    """Writes the model of ``corpus``, its tokens and the tokenizer into ``out``.

    Returns the number of tokens.
    """
    vocabulary = Vocabulary(tokenizer)
    ids = encode_corpus(corpus, vocabulary, order)
    estimate(ids, vocabulary.sentinels.bos, vocabulary.size, order).save(out)
    np.save(out / "tokens.npy", ids)
    shutil.copy(tokenizer / "tokenizer.json", out)
    return len(ids)


def main() -> None:
    """Builds the model from the command line; the last line of stdout is JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="train.jsonl")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of tokenizer.json")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    began = time.monotonic()
    num_tokens = build(args.corpus, args.tokenizer, args.out)
    print(json.dumps({"num_tokens": num_tokens, "wall_s": round(time.monotonic() - began, 1)}))


if __name__ == "__main__":
    main()
