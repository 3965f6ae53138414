"""The n-gram baseline at work: mixed with the counts of the file at hand, healed, completing.

    python -m bench.adaptive --ngram DIR --files dev.jsonl

tunes ``MIXTURE`` on development files. The model sees the text before the cursor, all of
``MAX_CHARS``, which is more of it than the neural model's context holds; not the text behind it.
Called by ``bench.quality`` and ``bench.recite``.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from training.corpus import read_lines
from training.reference import Vocabulary

from bench import ngram
from bench.backends import Answer
from bench.cases import KINDS, Case, draw
from bench.likelihood import measure, target
from bench.ngram import Ngram
from bench.scores import Measure

Chances = NDArray[np.float64]

MAX_CHARS = 24_000
MIXTURE = (0.05, 0.23, 0.41, 0.47, 0.57, 0.85)
"""Weight of the file's own counts by the longest context that the file has, in tokens, 0 to 5.

Tuned on 3,733 tokens of 300 development cases."""
EM_ROUNDS = 20


class FileCounts:
    """What followed what in one text, interpolated by Witten and Bell (1991) up to ``order``."""

    def __init__(self, ids: Sequence[int], order: int) -> None:
        """Counts the text's n-grams."""
        self._order = order
        self._counts: dict[tuple[int, ...], Counter[int]] = {}
        for place, idx in enumerate(ids):
            for length in range(min(order - 1, place) + 1):
                context = tuple(ids[place - length : place])
                self._counts.setdefault(context, Counter())[idx] += 1

    def match_len(self, context: Sequence[int]) -> int:
        """Returns the length of the longest end of ``context`` that something followed."""
        longest = min(self._order - 1, len(context))
        lengths = range(longest, 0, -1)
        return next((num for num in lengths if tuple(context[-num:]) in self._counts), 0)

    def distribution(self, context: Sequence[int], lower: Chances) -> Chances:
        """Returns the chances [V]; ``lower`` are those of no context at all."""
        chances = lower
        for length in range(self.match_len(context) + 1):
            counts = self._counts.get(tuple(context[len(context) - length :]))
            if counts is None:  # an empty text, or an end that only ever came last
                continue
            total, kinds = counts.total(), len(counts)
            chances = chances * (kinds / (total + kinds))
            tokens = np.fromiter(counts.keys(), dtype=np.int64, count=kinds)
            chances[tokens] += np.fromiter(counts.values(), np.float64, kinds) / (total + kinds)
        return chances


class Adaptive:
    """The n-gram model with a file's counts; one object serves many cases."""

    def __init__(
        self, model: Ngram, vocabulary: Vocabulary, mixture: Sequence[float] = MIXTURE
    ) -> None:
        """Takes the model and a weight for each length of match."""
        assert model.vocab_size == vocabulary.size
        self._model, self._vocabulary, self._mixture = model, vocabulary, tuple(mixture)
        self._allowed: dict[bytes, NDArray[np.int64]] = {}

    @property
    def order(self) -> int:
        """Tokens of the longest n-gram."""
        return self._model.order

    def prompt(self, prefix: str) -> tuple[list[int], bytes]:
        """Returns the ids before the cursor, healed, and what was taken back."""
        front = [self._vocabulary.sentinels.bos] * (self._model.order - 1)
        ids = self._vocabulary.encode(prefix[-MAX_CHARS:])
        must = self._vocabulary.take_back(ids)
        return front + ids if len(prefix) <= MAX_CHARS else ids, must

    def parts(self, context: Sequence[int], counts: FileCounts) -> tuple[Chances, Chances, int]:
        """Returns the model's chances, the file's, and the length of the file's match."""
        general = self._model.distribution(context)
        return general, counts.distribution(context, general), counts.match_len(context)

    def distribution(self, context: Sequence[int], counts: FileCounts) -> Chances:
        """Returns the mixed chances [V]."""
        general, local, length = self.parts(context, counts)
        weight = self._mixture[min(length, len(self._mixture) - 1)]
        return (1 - weight) * general + weight * local

    def complete(self, prefix: str, num_predict: int, num_lines: int | None = 1) -> Answer:
        """Returns the greedy completion, up to ``num_lines`` line ends or the end of the text."""
        context, must = self.prompt(prefix)
        counts, num_must = FileCounts(context, self._model.order), len(must)
        made: list[int] = []
        num_ends = 0
        while len(made) < num_predict and (num_lines is None or num_ends < num_lines):
            chances = self.distribution(context, counts)
            best = self._best(chances, must)
            piece = self._vocabulary.pieces[best]
            if not piece:
                break
            made.append(best)
            context.append(best)
            must, num_ends = must[len(piece) :], num_ends + piece.count(b"\n")
        data = b"".join(self._vocabulary.pieces[idx] for idx in made)
        return Answer(data[num_must:].decode("utf-8", "replace"), made)

    def bits(self, cases: Sequence[Case], num_predict: int) -> Measure:
        """Returns bits per byte of the true middles, as ``bench.likelihood`` counts them."""
        bits: list[float] = []
        sizes: list[int] = []
        for case in cases:
            context, must = self.prompt(case.prefix)
            counts = FileCounts(context, self._model.order)
            goal = target(self._vocabulary, case, must, num_predict)
            total = 0.0
            for idx in goal.ids:
                chances = self.distribution(context, counts)
                room = float(chances[self._ids(must)].sum()) if must else 1.0
                total -= math.log2(float(chances[idx]) / room)
                must = must[len(self._vocabulary.pieces[idx]) :]
                context.append(idx)
            bits.append(total)
            sizes.append(goal.num_bytes)
        return measure(cases, bits, sizes)

    def _best(self, chances: Chances, must: bytes) -> int:
        if not must:
            return int(chances.argmax())
        allowed = self._ids(must)
        return int(allowed[chances[allowed].argmax()])

    def _ids(self, must: bytes) -> NDArray[np.int64]:
        """Returns the ids that may come while ``must`` is to be repeated."""
        if must not in self._allowed:
            self._allowed[must] = np.array(self._vocabulary.allowed(must), dtype=np.int64)
        return self._allowed[must]


class OtherTokenizerError(Exception):
    """The n-gram model was built for another tokenizer than the model's."""


def load(folder: Path, tokenizer: Path) -> Adaptive:
    """Returns the model that ``bench.ngram`` wrote into ``folder``.

    Raises:
        OtherTokenizerError: where ``tokenizer``, a folder, holds other pieces.
    """
    vocabulary = Vocabulary(folder)
    if vocabulary.pieces != Vocabulary(tokenizer).pieces:
        raise OtherTokenizerError(
            f"{folder} was built for another tokenizer than that of {tokenizer}: "
            f"python -m bench.ngram --tokenizer {tokenizer} --corpus FILE --out DIR"
        )
    return Adaptive(ngram.load(folder), vocabulary)


def observations(
    model: Adaptive, vocabulary: Vocabulary, cases: Sequence[Case], order: int
) -> Iterator[tuple[int, float, float]]:
    """Yields match length, general and local chance of each true token behind the first."""
    for case in cases:
        context, must = model.prompt(case.prefix)
        counts = FileCounts(context, order)
        for num, idx in enumerate(target(vocabulary, case, must, 64).ids):
            if num:
                general, local, length = model.parts(context, counts)
                yield length, float(general[idx]), float(local[idx])
            context.append(idx)


def tune(seen: Sequence[tuple[int, float, float]], num_weights: int) -> list[float]:
    """Returns for each length of match the likeliest weight of the local chances (EM)."""
    weights: list[float] = []
    for wanted in range(num_weights):
        pairs = np.array([(g, local) for length, g, local in seen if length == wanted])
        weight = 0.5
        for _ in range(EM_ROUNDS if len(pairs) else 0):
            local = weight * pairs[:, 1]
            weight = float((local / (local + (1 - weight) * pairs[:, 0])).mean())
        weights.append(round(weight, 2))
    return weights


def main() -> None:
    """Prints the weights that fit development files best; the last line is JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--ngram", type=Path, required=True)
    parser.add_argument("--files", type=Path, required=True, help="JSON lines, as the corpus")
    parser.add_argument("--num-cases", type=int, default=200, help="of each kind")
    args = parser.parse_args()
    vocabulary, general = Vocabulary(args.ngram), ngram.load(args.ngram)
    model, files = Adaptive(general, vocabulary), read_lines(args.files)
    cases = [case for kind in KINDS for case in draw(files, kind, args.num_cases, seed=7)]
    seen = list(observations(model, vocabulary, cases, general.order))
    print(json.dumps({"mixture": tune(seen, general.order), "num_tokens": len(seen)}))


if __name__ == "__main__":
    main()
