"""How the backend failed lately, and how long it is left alone for that. Called by `engine`."""

from __future__ import annotations

import time

from lsprotocol import types

from midfill_lsp.errors import BackendError, LeftAlone, Overloaded
from midfill_lsp.server.notices import Notices

_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 60.0
_MOST_DOUBLINGS = 6


class Failures:
    """Turns failures into one message per cause, and into pauses that grow.

    Attributes:
        reason: the latest failure in words, None once the backend has answered again.
        cause: the kind of error behind it.
        num_noted: all that were ever noted.
    """

    def __init__(self, notices: Notices) -> None:
        """Begin without any."""
        self._notices = notices
        self._num = 0
        self.num_noted = 0
        self._retry_at = 0.0
        self._blocked_until = 0.0  # also for explicit requests: the server named a time
        self._told: set[str] = set()
        self.reason: str | None = None
        self.cause: str | None = None

    def check(self, explicit: bool) -> None:
        """Raise `LeftAlone` where a request had better not be sent yet."""
        until = self._blocked_until if explicit else self._retry_at
        if self._num and time.monotonic() < until:
            raise LeftAlone(f"not tried again yet: {self.reason}")

    def note(self, error: BackendError) -> None:
        """Take note of a failure, and tell the user where the error asks for that."""
        self.reason, self.cause = str(error), type(error).__name__
        self.num_noted += 1
        if error.backs_off:
            delay_s = min(_LAST_RETRY_S, _FIRST_RETRY_S * 2.0 ** min(self._num, _MOST_DOUBLINGS))
            if isinstance(error, Overloaded) and error.retry_after_s is not None:
                delay_s = max(delay_s, error.retry_after_s)
                self._blocked_until = time.monotonic() + error.retry_after_s
            self._retry_at = time.monotonic() + delay_s
            self._num += 1
        if error.is_told:
            self._told.add(self.cause)
            self._notices.tell_once(self.cause, str(error), types.MessageType.Error)

    def answered(self, num_noted: int | None = None) -> None:
        """Take note that all is well; given `num_noted`, unless a failure was noted since then.

        A chat that began before the server had no more room ends well, and says nothing of it.
        """
        if num_noted is not None and num_noted != self.num_noted:
            return
        self.reason = self.cause = None
        self._num = 0
        self._blocked_until = 0.0

    def forget(self) -> None:
        """Begin anew, because the user has acted on what was told."""
        self.answered()
        for cause in self._told:
            self._notices.forget(cause)
        self._told.clear()
