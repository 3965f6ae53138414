"""More suggestions for one place, to cycle through: sampled in one batch. Called by `answers`.

Only where the backend has a way that costs little more than one: everybody else has the greedy
suggestion alone.
"""

from __future__ import annotations

import logging
from contextlib import aclosing

from midfill_lsp.backend.base import SamplesInfill, StreamEnd
from midfill_lsp.complete.gather import Question
from midfill_lsp.complete.live import Asking
from midfill_lsp.errors import BackendError, RequestSkipped
from midfill_lsp.lines import whole_characters
from midfill_lsp.trim import Trimmer, TrimResult

logger = logging.getLogger(__name__)


class _NoSamplesError(Exception):
    """There are no samples. Neither a `BackendError` nor an answer: both tell how the backend is.

    The suggestion beside them was answered, so whoever shows the backend's state has nothing to
    say; a backend that is gone is told by the next request.
    """


# Of the bundled model, see docs/log.md, 2026-11-25.
_TEMPERATURE = 0.6
_BROKEN = "\ufffd"  # a sample may leave a character in the middle of its bytes


async def sample(asking: Asking, question: Question, num_samples: int) -> list[TrimResult]:
    """Return what is left of the samples, each trimmed on its own; empty if there is no way."""
    try:
        with asking(True) as backend:
            if not isinstance(backend, SamplesInfill):
                raise _NoSamplesError("the backend has no way that costs little")
            question.check()
            try:
                return await _read(backend, question, num_samples)
            except BackendError as error:
                raise _NoSamplesError(type(error).__name__) from error
    except (BackendError, RequestSkipped) as error:
        logger.info("no more candidates: %s", type(error).__name__)
        return []
    except _NoSamplesError as error:
        logger.info("no more candidates: %s", error)
        return []


async def _read(backend: SamplesInfill, question: Question, num_samples: int) -> list[TrimResult]:
    trimmers = [Trimmer(question.context, is_shown=False) for _ in range(num_samples)]
    ends: dict[int, StreamEnd | None] = {}
    async with aclosing(backend.samples(question.ask, num_samples, _TEMPERATURE)) as stream:
        async for idx, part in stream:
            if idx in ends or not 0 <= idx < num_samples:
                continue
            if isinstance(part, StreamEnd):
                ends[idx] = part
            elif trimmers[idx].feed(whole_characters(part)).done:
                ends[idx] = None
            if len(ends) == num_samples:
                break
    results: list[TrimResult] = []
    for idx, trimmer in enumerate(trimmers):
        end = ends.get(idx)
        results.append(trimmer.finish(cut_short=end is not None and end.reason == "limit"))
    return [result for result in results if result.text and _BROKEN not in result.text]
