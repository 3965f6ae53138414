"""How long an automatic request waits, from the typing's rhythm and the backend's pace. Pure.

    slowness = (latency / gap - 1.5) / 1.5, within 0 and 1
    wait = 1.25 * gap * slowness, within debounceMinMs and debounceMaxMs

A backend that answers within one and a half times the usual gap between two keys is asked almost
at once: a wait would only move its answer closer to the next key, and what that key agrees with
is not lost. One that takes three gaps and more would mostly be asked for nothing, so it is asked
when a pause is likely, a quarter over the usual gap after the key. `bench/debounce.py` compares
this with other ways; docs/log.md, 2026-11-25, has the figures.
"""

from __future__ import annotations

from collections import deque
from statistics import median

from midfill_lsp.config import CompletionConfig

_NUM_KEPT = 16
_MIN_GAPS = 4
_PAUSE_S = 1.0  # longer gaps are thought, not rhythm
_USUAL_GAP_S = 0.2  # until the typist is known
_USUAL_LATENCY_S = 0.08  # until the backend is
_FAST_GAPS, _SLOW_GAPS = 1.5, 3.0
_GAP_SHARE = 1.25


class Rhythm:
    """Remembers the latest gaps and latencies of one window."""

    def __init__(self) -> None:
        """Begin knowing nothing."""
        self._gaps: deque[float] = deque(maxlen=_NUM_KEPT)
        self._latencies: deque[float] = deque(maxlen=_NUM_KEPT)
        self._key_at: float | None = None
        self._asked: tuple[str, int] | None = None

    @property
    def gap_s(self) -> float:
        """The usual time between two keys."""
        return median(self._gaps) if len(self._gaps) >= _MIN_GAPS else _USUAL_GAP_S

    @property
    def latency_s(self) -> float:
        """The usual time from a question to the first text."""
        return median(self._latencies) if self._latencies else _USUAL_LATENCY_S

    def key(self, at_s: float) -> None:
        """Take note that a document changed at that time of a monotonic clock."""
        if self._key_at is not None and 0 < at_s - self._key_at < _PAUSE_S:
            self._gaps.append(at_s - self._key_at)
        self._key_at = at_s

    def waits_from(self, document: tuple[str, int], now_s: float) -> float:
        """Return when the wait for an automatic request in a document at a version begins.

        With the key that made the version, so that an editor's own delay is not added to ours; a
        second request there has another cause, such as the cursor's way.
        """
        is_first, self._asked = document != self._asked, document
        return now_s if self._key_at is None or not is_first else self._key_at

    def answered(self, latency_s: float) -> None:
        """Take note of the time to a first text."""
        self._latencies.append(latency_s)

    def unanswered(self, waited_s: float) -> None:
        """Take note that there was no text yet when a stream was aborted."""
        if waited_s > self.latency_s:  # else it says nothing
            self._latencies.append(waited_s)

    def forget_backend(self) -> None:
        """Take note that another backend answers from now on."""
        self._latencies.clear()

    def wait_s(self, config: CompletionConfig) -> float:
        """Return how long the next automatic request waits."""
        if config.debounce_ms != "auto":
            return config.debounce_ms / 1000
        slowness = (self.latency_s / self.gap_s - _FAST_GAPS) / (_SLOW_GAPS - _FAST_GAPS)
        wait_s = _GAP_SHARE * self.gap_s * max(0.0, min(1.0, slowness))
        low_ms = min(config.debounce_min_ms, config.debounce_max_ms)
        return max(low_ms / 1000, min(wait_s, config.debounce_max_ms / 1000))
