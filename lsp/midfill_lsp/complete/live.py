"""A stream of the backend that outlives the request that began it.

`streams` owns it and decides when it is aborted; `view` reads it for one cursor. All of it runs on
the event loop's thread, and watchers are called from within the stream's own task.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal

from midfill_lsp.backend.base import Backend, Scores, StreamEnd
from midfill_lsp.cache import Entry, Hit, remainder
from midfill_lsp.complete.anchor import Anchor, Typed, goes_along, without_closers
from midfill_lsp.complete.gather import Question
from midfill_lsp.complete.stream import feed
from midfill_lsp.errors import BackendError, RequestSkipped
from midfill_lsp.trim import Trimmer, TrimResult

logger = logging.getLogger(__name__)

Ending = Literal["finished", "failed", "skipped", "superseded", "aborted"]
Asking = Callable[[bool], AbstractContextManager[Backend]]

_PREDECESSOR_S = 1.0  # a stream that was cancelled is closed within a few turns of the loop


class Live:
    """What is being written at one place of a document, and who waits for it.

    Attributes:
        uri: the document.
        question: what was asked.
        anchor: where the text belongs.
        lead: text between the anchor and the question's cursor; the suggestion goes on from it.
        explicit: a user asked for it.
        raw: the backend's text so far, behind `lead`.
        text: what of it may be shown so far, behind `lead`.
        tokens: code points and log-probability of each of `raw`'s, empty where the backend does
            not tell; None if it did not of all.
        ending: how it ended, None while it runs.
        error: why, if it failed or was skipped.
        end: the backend's facts, None before the end and where the trim or an abort ended it.
        result: the finished suggestion, None without one.
        asked_at: when the backend was asked, None before that.
        first_delta_s: from then to the first text, None before it.
        is_ahead: it was begun for a cursor that is not there yet, behind `lead`.
        is_kept: a reply was made of it early, so it goes on without a watcher.
        is_retired: its settings are no more; nobody joins it and nothing of it is kept.
    """

    def __init__(
        self, uri: str, question: Question, anchor: Anchor, lead: str, explicit: bool
    ) -> None:
        """Describe it; `start` asks."""
        self.uri = uri
        self.question = question
        self.anchor = anchor
        self.lead = lead
        self.explicit = explicit
        self.raw = ""
        self.text = ""
        self.tokens: tuple[tuple[int, float], ...] | None = ()
        self.ending: Ending | None = None
        self.error: Exception | None = None
        self.end: StreamEnd | None = None
        self.result: TrimResult | None = None
        self.asked_at: float | None = None
        self.first_delta_s: float | None = None
        self.is_ahead = False
        self.is_kept = False
        self.is_retired = False
        self.task: asyncio.Task[None] | None = None
        self._trimmer = Trimmer(question.context, is_shown=False)
        self._num_scored = 0  # code points of `tokens`
        self._watchers: list[Callable[[], None]] = []

    def start(
        self, asking: Asking, on_end: Callable[[Live], None], before: set[asyncio.Task[None]]
    ) -> asyncio.Task[None]:
        """Ask the backend in a task of its own.

        Args:
            asking: gives the backend for one request.
            on_end: called once when the stream has ended by itself, before the watchers.
            before: the session's streams before, which are closed first.
        """
        self.task = asyncio.create_task(self._run(asking, on_end, before))
        return self.task

    @property
    def is_watched(self) -> bool:
        """Whether somebody waits for it, or sees a part of it."""
        return bool(self._watchers) or self.is_kept

    @property
    def has_line(self) -> bool:
        """Whether all that `text` holds are whole lines, at least one."""
        return bool(self.text.strip()) and "\n" in self.raw.lstrip()

    def entry(self) -> Entry | None:
        """Return the finished suggestion for the cache, None if there is none."""
        if self.result is None or not self.result.text or self.is_retired:
            return None
        prompt = self.question.prompt
        text, replaces_rest = self.result.text, self.result.replaces_rest
        return Entry(self.uri, prompt.prefix, prompt.suffix, text, replaces_rest)

    def has(self, typed: Typed) -> Hit | None:
        """Return what may be shown so far at a cursor, None for nothing."""
        replaces_rest = self.result is not None and self.result.replaces_rest
        entry = Entry(self.uri, "", "", self.lead + self.text, replaces_rest)
        line_rest = self.question.prompt.suffix.split("\n", 1)[0]
        return remainder(entry, typed.text, typed.closed, line_rest)

    def agrees(self, typed: str) -> bool:
        """Whether what was typed is, or may become, the start of the text."""
        shown, raw = self.lead + self.text, self.lead + self.raw
        if self.ending is not None:
            return shown.startswith(typed)
        return shown.startswith(typed) or goes_along(typed, raw)

    def agrees_inserted(self, inserted: str) -> bool:
        """The same for all that stands at the anchor, with what the editor may have added."""
        return any(self.agrees(typed) for typed in without_closers(inserted))

    def keep_shown(self) -> None:
        """Say that somebody shows what `has` returned: no rule takes it back from now on."""
        self._trimmer.keep_shown()

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` whenever there is more, and at the end."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Call it no longer."""
        self._watchers.remove(watcher)

    def notify(self) -> None:
        """Have all watchers look."""
        for watcher in list(self._watchers):
            watcher()

    def abort(self) -> None:
        """End it now; the backend's stream is closed within the loop's next turns."""
        if self.ending is None:
            self._finish("aborted")
        if self.task is not None:
            self.task.cancel()

    async def _run(
        self, asking: Asking, on_end: Callable[[Live], None], before: set[asyncio.Task[None]]
    ) -> None:
        if before:
            await asyncio.wait(before, timeout=_PREDECESSOR_S)
        ending: Ending = "aborted"
        try:
            ending = await self._read(asking)
        except RequestSkipped as error:
            ending, self.error = "skipped", error
        except BackendError as error:
            ending, self.error = "failed", error
        except Exception as error:  # a backend's bug; whoever waits gets it as it is
            logger.error("a stream failed: %s", type(error).__name__)
            ending, self.error = "failed", error
        finally:
            if self.ending is None:
                self.ending = ending
                on_end(self)
                self._finish(ending)

    async def _read(self, asking: Asking) -> Ending:
        self.asked_at = asked_at = time.perf_counter()

        def take(delta: str, text: str, is_last: bool) -> None:
            if self.first_delta_s is None:
                self.first_delta_s = time.perf_counter() - asked_at
            self.raw += delta.replace("\r\n", "\n")
            if self._num_scored and self._num_scored != len(self.raw):
                self.tokens = None  # not told of this delta, or its line ends are others now
            if not is_last:  # else the text is shown with the rest of the result
                self.text = text
                self.notify()

        def score(scores: Scores) -> None:
            if self._num_scored != len(self.raw):
                self.tokens = None
            if self.tokens is not None:
                self.tokens += scores.tokens
                self._num_scored += sum(size for size, _ in scores.tokens)

        with asking(self.explicit) as backend:
            self.question.check()
            self.end = await feed(backend, self.question.ask, self._trimmer, take, score)
        if self.end is not None and self.end.reason == "superseded":
            return "superseded"
        cut_short = self.end is not None and self.end.reason == "limit"
        self.result = self._trimmer.finish(cut_short)
        self.text = self.result.text
        return "finished"

    def _finish(self, ending: Ending) -> None:
        self.ending = ending
        self.notify()
