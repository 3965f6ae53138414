"""How sure the model was of each line it wrote. Called by `trimmer`; read by `gate`."""

from __future__ import annotations

import math
from collections.abc import Iterable


class Confidence:
    """Sums the log-probabilities of tokens by the line that they begin in.

    A token that begins with a line end says that the line is over, and counts for neither: a
    backend that stops at the line's end does not tell it.
    """

    def __init__(self) -> None:
        """Begin without tokens."""
        self._sums: list[float] = [0.0]
        self._counts: list[int] = [0]

    def add(self, text: str, tokens: Iterable[tuple[int, float]]) -> None:
        """Take text and its tokens: code points and natural log-probability of each."""
        offset = 0
        for size, logprob in tokens:
            token = text[offset : offset + size]
            offset += size
            if not token.lstrip("\r").startswith("\n"):
                self._sums[-1] += logprob
                self._counts[-1] += 1
            num_ends = token.count("\n")
            self._sums += [0.0] * num_ends
            self._counts += [0] * num_ends

    def first(self) -> float | None:
        """Return the mean probability of the first tokens' line; None if none is known."""
        means = (self.of_line(idx) for idx in range(len(self._sums)))
        first = next((mean for mean in means if mean is not None), None)
        return None if first is None else round(math.exp(first), 3)

    def opening(self) -> tuple[int, float]:
        """Return the number of the first tokens' line's tokens, and their mean log-probability."""
        first = next((idx for idx, count in enumerate(self._counts) if count), None)
        if first is None:
            return 0, 0.0
        return self._counts[first], self._sums[first] / self._counts[first]

    def of_line(self, idx: int) -> float | None:
        """Return the mean log-probability of a line's tokens; None if none is known."""
        if not 0 <= idx < len(self._sums) or not self._counts[idx]:
            return None
        return self._sums[idx] / self._counts[idx]
