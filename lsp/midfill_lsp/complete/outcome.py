"""What a stream tells of itself, noted for `midfill.explain`. Called by `completer`."""

from __future__ import annotations

from midfill_lsp.complete.live import Live
from midfill_lsp.metrics import Trace


def note_stream(trace: Trace, live: Live) -> None:
    """Note the facts of a stream in a request that it answers, early or at its end."""
    result, end = live.result, live.end
    trace.note(mode=live.question.context.mode, context=live.question.facts)
    if live.first_delta_s is not None:
        trace.timings({"stream_first_delta": round(live.first_delta_s * 1000, 1)})
    if result is not None:
        trace.note(cut_chars=result.num_cut, cut_by=result.reason)
        trace.note(confidence=result.confidence)
    if end is not None:
        trace.note(
            stream_end=end.reason,
            prompt_tokens=end.prompt_tokens,
            cached_tokens=end.cached_tokens,
            generated_tokens=end.generated_tokens,
        )
        trace.timings({f"engine_{name}": ms for name, ms in end.timings_ms.items()})
    elif live.ending is None:
        trace.note(stream_end="running")
    elif live.ending == "finished":
        trace.note(stream_end="trimmed")
