"""Stop texts, found while the text grows. Pure; used by `runtime` for every running request."""

from __future__ import annotations

from collections.abc import Sequence


class StopMatcher:
    """Shows text up to the first stop text that is completed.

    The result does not depend on how the text is cut into pieces: of several stop texts the one
    whose last character comes first wins, and of those the longest.

    Attributes:
        matched: the stop text that appeared, or None so far.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        """Watch for these texts; an empty one never matches."""
        self._stops = tuple(dict.fromkeys(stop for stop in stops if stop))
        self._held: str = ""
        self.matched: str | None = None

    def feed(self, text: str) -> str:
        """What may be shown now; a tail that could begin a stop text is held back.

        Once a stop text is matched, what this returns ends right before it, and later calls
        return "".
        """
        if self.matched is not None or not self._stops:
            return "" if self.matched is not None else text
        text = self._held + text
        found = [(text.find(stop), stop) for stop in self._stops]
        hits = [(start + len(stop), start, stop) for start, stop in found if start >= 0]
        if hits:
            _, start, self.matched = min(hits)
            self._held = ""
            return text[:start]
        shown_len = len(text) - self._undecided_len(text)
        self._held = text[shown_len:]
        return text[:shown_len]

    def flush(self) -> str:
        """What was held back and is no stop text after all."""
        held, self._held = self._held, ""
        return held

    def _undecided_len(self, text: str) -> int:
        """Length of the longest tail that is the beginning of a stop text."""
        longest = 0
        for stop in self._stops:
            for tail_len in range(min(len(stop) - 1, len(text)), longest, -1):
                if text.endswith(stop[:tail_len]):
                    longest = tail_len
                    break
        return longest
