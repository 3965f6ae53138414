r"""What comes behind an accepted suggestion, asked for before the editor does.

    return first|                       the line may go on: asked for at the cursor
    return first + second|              known to be all of its line: asked for on the next one,
        |                               as if Enter had been pressed

The next automatic request joins what was begun, or finds it in the cache; or nobody comes in time.
Called by `completer`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from midfill_lsp.complete import when
from midfill_lsp.complete.answers import Answers
from midfill_lsp.complete.live import Live
from midfill_lsp.complete.one_task import OneTask
from midfill_lsp.complete.request import CompletionRequest
from midfill_lsp.config import CompletionConfig
from midfill_lsp.errors import RequestSkipped
from midfill_lsp.metrics import Metrics
from midfill_lsp.prompt import Prompt
from midfill_lsp.trim import indent_below


@dataclass(frozen=True, slots=True)
class Asker:
    """What a prefetch needs of the completer.

    Attributes:
        prompt: the text around a cursor.
        live: a stream for it, not begun yet; raises `RequestSkipped`.
        may_begin: whether the document is as the request has it, and nobody asks by himself.
    """

    prompt: Callable[[CompletionRequest], Prompt]
    live: Callable[[CompletionRequest, Prompt], Awaitable[Live]]
    may_begin: Callable[[CompletionRequest], bool]


class Prefetch:
    """One at a time: a new one ends the one before, if it was not begun yet."""

    def __init__(
        self,
        asker: Asker,
        answers: Answers,
        config: Callable[[], CompletionConfig],
        metrics: Metrics,
    ) -> None:
        """Begin nothing; the arguments are the completer's."""
        self._asker = asker
        self._answers = answers
        self._config = config
        self._metrics = metrics
        self._task = OneTask("prefetch")

    def soon(self, request: CompletionRequest) -> None:
        """Begin a prefetch at a cursor that stands behind an accepted suggestion."""
        if not self._config().prefetch or when.switched_off(request, self._config()):
            return
        self._task.begin(self._run(request))

    async def aclose(self) -> None:
        """Begin no more."""
        await self._task.aclose()

    async def _run(self, request: CompletionRequest) -> None:
        """Ask what the next automatic request would, at the cursor or on the line below."""
        try:
            if when.out_of_place(request) or not await self._ask(request):
                below = _on_next_line(request)
                if below is not None:
                    await self._ask(below)
        except RequestSkipped:
            return  # the next request of this document says so

    async def _ask(self, request: CompletionRequest) -> bool:
        """Begin a stream unless the answer is known; return False if that is nothing."""
        prompt = self._asker.prompt(request)
        if self._answers.has(request, prompt):
            return True
        live = await self._asker.live(request, prompt)
        known = self._answers.known_rest(request, live.question)
        if known is not None:
            return bool(known.text)
        if self._asker.may_begin(request):
            self._metrics.streams["prefetched"] += 1
            live.is_ahead = request.selected is not None
            self._answers.streams.settle(self._answers.streams.begin(live))
        return True


def _on_next_line(request: CompletionRequest) -> CompletionRequest | None:
    """Return the request as if Enter had been pressed; None where that would cut a line in two."""
    snapshot, line_idx, column = request.snapshot, request.line_idx, request.column
    line = snapshot.lines[line_idx]
    if line[column:].strip() or not line.strip():
        return None
    blanks = indent_below(line.rstrip("\r\n"), snapshot.lines, snapshot.language_id)
    place = snapshot.position(line_idx, column)
    return request.with_selected(place, place, snapshot.line_end(line_idx) + blanks)
