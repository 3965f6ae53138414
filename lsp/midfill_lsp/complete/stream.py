"""A backend's stream on its way through the trimmer. Called by `completer`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

from midfill_lsp.backend.base import Backend, InfillRequest, Scores, StreamEnd
from midfill_lsp.metrics import Trace
from midfill_lsp.trim import Trimmer


async def feed(
    backend: Backend,
    ask: InfillRequest,
    trimmer: Trimmer,
    trace: Trace,
    emit: Callable[[str], None],
) -> StreamEnd | None:
    """Feed the stream to the trimmer until either has had enough; None if the trimmer had."""
    shown_len = 0
    async with aclosing(backend.infill(ask)) as stream:
        async for delta in stream:
            if isinstance(delta, StreamEnd):
                trace.note(
                    prompt_tokens=delta.prompt_tokens,
                    cached_tokens=delta.cached_tokens,
                    generated_tokens=delta.generated_tokens,
                )
                trace.timings({f"engine_{name}": ms for name, ms in delta.timings_ms.items()})
                return delta
            if isinstance(delta, Scores):
                continue
            if "first_delta" not in trace.explanation.timings_ms:
                trace.clock("first_delta")
            step = trimmer.feed(delta)
            if len(step.text) > shown_len:
                if not shown_len:
                    trace.clock("first_text")
                shown_len = len(step.text)
                emit(step.text)
            if step.done:
                return None
    return None
