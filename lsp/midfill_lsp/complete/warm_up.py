"""Has the engine read a prompt while the cursor rests, before anybody types there.

After a jump nothing of the prompt is in the engine's cache, and the first suggestion would wait for
all of it (docs/log.md, 2026-11-28). Nothing is written, and a request ends it: what was read by
then stays in the cache, beside what is known of the place where one typed. Called by `completer`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from midfill_lsp.backend.base import WarmsUp
from midfill_lsp.complete import when
from midfill_lsp.complete.answers import Answers
from midfill_lsp.complete.gather import Gatherer
from midfill_lsp.complete.one_task import OneTask
from midfill_lsp.complete.request import CompletionRequest
from midfill_lsp.config import CompletionConfig
from midfill_lsp.errors import BackendError, RequestSkipped
from midfill_lsp.metrics import Metrics

logger = logging.getLogger(__name__)

REST_S = 0.15
"""A cursor that stays so long is no longer on its way."""
_PAUSES = 3
"""How many times as long as it took the engine is left alone: a quarter of the time is its share at
most, however long somebody reads with the arrow keys."""


class WarmUp:
    """One at a time: a new place ends what is under way for the one before."""

    def __init__(
        self,
        gatherer: Gatherer,
        may_begin: Callable[[CompletionRequest], bool],
        answers: Answers,
        config: Callable[[], CompletionConfig],
        metrics: Metrics,
        backend: Callable[[], WarmsUp | None],
        sleep: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        """Begin nothing; `backend` gives who reads, if it can now, the rest is the completer's."""
        self._gatherer = gatherer
        self._may_begin = may_begin
        self._answers = answers
        self._config = config
        self._metrics = metrics
        self._backend = backend
        self._sleep = sleep
        self._clock = clock
        self._idle_until = clock()
        self._task = OneTask("warm-up")

    def soon(self, request: CompletionRequest) -> None:
        """Have the prompt at a cursor read, once it has rested there."""
        self.stop()
        config = self._config()
        if config.warm_up and self._backend() and not when.switched_off(request, config):
            self._task.begin(self._run(request))

    def stop(self) -> None:
        """End what is under way."""
        self._task.stop()

    async def aclose(self) -> None:
        """Begin no more, and return when the last has ended."""
        await self._task.aclose()

    async def _run(self, request: CompletionRequest) -> None:
        await self._sleep(max(REST_S, self._idle_until - self._clock()))
        if not self._is_worth_it(request):
            return
        try:
            question = await self._gatherer.question(
                request, self._gatherer.prompt(request), "", is_ahead=True
            )
            backend = self._backend()
            if backend is None or not self._is_worth_it(request):
                return
            question.check()
        except RequestSkipped:
            return  # the next request of this document says so
        self._metrics.streams["warmed_up"] += 1
        began_s = self._clock()
        try:
            await backend.warm_up(question.ask)
        except (BackendError, RequestSkipped) as error:
            logger.info("a warm-up failed: %s", type(error).__name__)  # the next request tells it
        finally:
            now_s = self._clock()
            self._idle_until = now_s + _PAUSES * (now_s - began_s)

    def _is_worth_it(self, request: CompletionRequest) -> bool:
        """Whether nothing else runs in the document, and a key here may be answered by the engine.

        Behind a bracket at a line's end nothing is suggested, but on the line below, whose prompt
        begins with the same text.
        """
        uri, line = request.document.uri, request.snapshot.lines[request.line_idx]
        is_at_end = not line[request.column :].strip()
        return (
            self._may_begin(request)
            and not self._answers.streams.is_running(uri)
            and (is_at_end or when.out_of_place(request) is None)
        )
