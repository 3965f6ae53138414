"""llama.cpp's `POST /infill`: its request, and what its events mean. Pure.

Called by `infill` (our engine) and `llamacpp`. Source of the fields: docs/protocol.md, section 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from midfill_lsp.backend.base import EndReason, InfillRequest, Scores, StreamEnd
from midfill_lsp.backend.fields import count, fields_of, list_of, number
from midfill_lsp.errors import BadReply

_REASONS: dict[str, EndReason] = {"eos": "eos", "limit": "limit", "word": "stop"}


def body(request: InfillRequest) -> dict[str, object]:
    """Return the fields that every server of the route knows."""
    named: dict[str, object] = {}
    if others := request.others.files:
        named["input_extra"] = [{"filename": file.name, "text": file.text} for file in others]
        named["filename"] = request.others.filename or None
        named["repo_name"] = request.others.repo_name or None
    return {
        **{name: value for name, value in named.items() if value is not None},
        "input_prefix": request.prefix,
        "input_suffix": request.suffix,
        "prompt": "",
        "n_predict": request.max_tokens,
        "temperature": 0,
        "stop": list(request.stop),
        "stream": True,
        "cache_prompt": True,
    }


def text_of(event: Mapping[str, Any]) -> str:
    """Return the text that an event brings, maybe none.

    Raises:
        BadReply: it is no text.
    """
    text = event.get("content", "")
    if not isinstance(text, str):
        raise BadReply("/infill sent a content that is no text")
    return text


def scores_of(event: Mapping[str, Any]) -> Scores | None:
    """Return how sure the model was of the event's text, None where the event does not tell."""
    tokens: list[tuple[int, float]] = []
    for entry in list_of(event.get("logprobs")):
        pair = list_of(entry)
        size, logprob = (count(pair[0]), number(pair[1])) if len(pair) == 2 else (None, None)
        if size is None or logprob is None:
            return None
        tokens.append((size, logprob))
    return Scores(tuple(tokens)) if tokens else None


def end_of(event: Mapping[str, Any]) -> StreamEnd:
    """Return what the last event tells."""
    reused = fields_of(event.get("timings")).get("cache_n")  # newer llama.cpp's servers
    reason = "superseded" if event.get("superseded") is True else event.get("stop_type")
    return StreamEnd(
        reason="superseded" if reason == "superseded" else _REASONS.get(str(reason), "eos"),
        prompt_tokens=count(event.get("tokens_evaluated")),
        # There `tokens_cached` counts all that the cache holds now.
        cached_tokens=count(event.get("tokens_cached") if reused is None else reused),
        generated_tokens=count(event.get("tokens_predicted")),
        timings_ms=_timings(event.get("timings")),
    )


def _timings(timings: object) -> dict[str, float]:
    return {
        name: ms
        for name, value in fields_of(timings).items()
        if name.endswith("_ms") and (ms := number(value)) is not None
    }
