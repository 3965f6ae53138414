"""Replies and stream events as TGI writes them (schemas of tgi-openapi.json)."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator

from midfill_engine.runtime.request import Finished, TokenEvent
from midfill_engine.serve.generation import Generation, checked
from midfill_engine.serve.replies import sse_event
from midfill_engine.serve.tgi_request import TgiRequest
from midfill_engine.text.stop import StopMatcher


def generate_reply(request: TgiRequest, generation: Generation) -> dict[str, object]:
    """`GenerateResponse` of a finished request."""
    finished = generation.finished
    assert finished is not None
    reply: dict[str, object] = {"generated_text": _full_text(request, generation, finished)}
    if request.details:
        reply["details"] = {
            **_details(request, finished),
            "prefill": [],
            "tokens": [_token(token) for token in generation.tokens],
        }
    return reply


def reply_headers(request: TgiRequest, generation: Generation) -> dict[str, str]:
    """TGI's timing headers: milliseconds, but `x-compute-time` in seconds."""
    finished = generation.finished
    assert finished is not None
    timings = finished.timings
    total_s = time.perf_counter() - request.started_at
    inference_ms = timings.prefill_ms + timings.decode_ms
    return {
        "x-compute-time": f"{total_s:.6f}",
        "x-compute-characters": str(len(request.inputs)),
        "x-total-time": str(int(total_s * 1e3)),
        "x-validation-time": str(int((request.validated_at - request.started_at) * 1e3)),
        "x-queue-time": str(int(timings.queue_ms)),
        "x-inference-time": str(int(inference_ms)),
        "x-time-per-token": str(int(inference_ms / max(1, timings.generated_tokens))),
        "x-prompt-tokens": str(timings.prompt_tokens),
        "x-generated-tokens": str(timings.generated_tokens),
    }


async def stream_events(request: TgiRequest, generation: Generation) -> AsyncIterator[bytes]:
    """`StreamResponse` events; the last one carries the text and the details.

    Every token goes out at once but the last, which waits for the engine's verdict: that it is the
    last one is seen from the token itself, so no other token waits.
    """
    last_seen = _LastToken(request)
    held: TokenEvent | None = None
    async for event in generation.events():
        if isinstance(event, Finished):
            finished = checked(event)
            token = held or _empty_token(generation)
            idx = len(generation.tokens) + (held is None)
            yield sse_event(_last_event(request, generation, finished, token, idx))
            return
        if last_seen.is_last(event):
            held = event
        else:
            yield sse_event(_stream_event(event, len(generation.tokens)))


class _LastToken:
    """Whether a token ends its request, decided from the token."""

    def __init__(self, request: TgiRequest) -> None:
        self._request = request.generation
        self._stops = StopMatcher(request.generation.stop)
        self._num_tokens = 0

    def is_last(self, token: TokenEvent) -> bool:
        self._num_tokens += 1
        if not token.special:
            self._stops.feed(token.text)
        return (
            self._num_tokens >= self._request.max_new_tokens
            or token.token_id in self._request.stop_token_ids
            or self._stops.matched is not None
        )


def _stream_event(token: TokenEvent, index: int) -> dict[str, object]:
    return {"index": index, "token": _token(token), "generated_text": None, "details": None}


def _last_event(
    request: TgiRequest, generation: Generation, finished: Finished, token: TokenEvent, index: int
) -> dict[str, object]:
    details = _details(request, finished)
    details["input_length"] = finished.timings.prompt_tokens
    return {
        **_stream_event(token, index),
        "generated_text": _full_text(request, generation, finished),
        "details": details,
    }


def _full_text(request: TgiRequest, generation: Generation, finished: Finished) -> str:
    """TGI leaves the stop text in, and puts the prompt first when asked to."""
    text = generation.text + (finished.stop_sequence or "")
    return request.inputs + text if request.return_full_text else text


def _details(request: TgiRequest, finished: Finished) -> dict[str, object]:
    return {
        "finish_reason": finished.reason,
        "generated_tokens": finished.timings.generated_tokens,
        "seed": request.seed,
    }


def _token(token: TokenEvent) -> dict[str, object]:
    return {
        "id": token.token_id,
        "text": token.text,
        "logprob": token.logprob if math.isfinite(token.logprob) else None,
        "special": token.special,
    }


def _empty_token(generation: Generation) -> TokenEvent:
    """Stands in a last event that no token announced."""
    token_id = generation.tokens[-1].token_id if generation.tokens else 0
    return TokenEvent(token_id=token_id, text="", delta="", logprob=0.0, special=True)
