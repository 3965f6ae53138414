"""A backend's stream on its way through the trimmer. Called by `live`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

from midfill_lsp.backend.base import Backend, InfillRequest, Scores, StreamEnd
from midfill_lsp.lines import whole_characters
from midfill_lsp.trim import Trimmer

_MAX_TOKEN_CHARS = 64


async def feed(
    backend: Backend,
    ask: InfillRequest,
    trimmer: Trimmer,
    on_text: Callable[[str, str, bool], None],
    on_scores: Callable[[Scores], None] = lambda _scores: None,
) -> StreamEnd | None:
    """Feed the stream to the trimmer until either has had enough.

    Args:
        backend: who writes.
        ask: what is asked.
        trimmer: judges the text.
        on_text: called with each delta, with all that may be shown then, and with whether that is
            the last of it: then the trimmer tells more, such as what it takes the place of.
        on_scores: called with those of the delta that comes next.

    Returns:
        The stream's own end, or a limit where it went on and on; None if the trimmer had enough,
        and closed it.
    """
    num_chars = 0
    async with aclosing(backend.infill(ask)) as stream:
        async for delta in stream:
            if isinstance(delta, StreamEnd):
                return delta
            if isinstance(delta, Scores):
                trimmer.score(delta.tokens)
                on_scores(delta)
                continue
            text = whole_characters(delta)
            num_chars += len(text)
            step = trimmer.feed(text)
            on_text(text, step.text, step.done)
            if step.done:
                return None
            if num_chars > ask.max_tokens * _MAX_TOKEN_CHARS:  # it does not keep to what was asked
                return StreamEnd("limit")
    return None
