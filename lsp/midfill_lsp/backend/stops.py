"""Stop texts, applied on this side. Pure. Called by `remote`.

A server may know fewer stop texts than a request has, sends the stop text itself (TGI), or the
beginning of one before it knows; and a control token must not reach the editor, however it is
cut by the network.
"""

from __future__ import annotations


class StopText:
    """The text out of a stream of deltas, up to the first stop text."""

    def __init__(self, stops: tuple[str, ...], *, strips_start: bool = False) -> None:
        """Start before the first delta.

        Args:
            stops: end the text, and are no part of it.
            strips_start: blanks before the first character are dropped, as a chat's answer has.
        """
        self._stops = stops
        self._held = ""
        self._strips = strips_start
        self.is_stopped = False

    def feed(self, delta: str) -> str:
        """Return what is certain to belong to the text now, maybe nothing."""
        if self.is_stopped:
            return ""
        text = self._held + delta
        if self._strips:
            text = text.lstrip()
            self._strips = not text
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            self.is_stopped, self._held = True, ""
            return text[: min(found)]
        held_len = max((_overlap_len(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - held_len :]
        return text[: len(text) - held_len]

    def flush(self) -> str:
        """Return what was held back, at the end of the stream."""
        rest, self._held = self._held, ""
        return rest


def _overlap_len(text: str, stop: str) -> int:
    """Return how long the longest end of `text` is that `stop` begins with."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if stop.startswith(text[-n:])), 0)
