"""Replies and stream events as TGI writes them (schemas of tgi-openapi.json)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from midfill_engine.runtime.request import Finished, TokenEvent
from midfill_engine.serve.generation import Generation, checked
from midfill_engine.serve.parse import Json
from midfill_engine.serve.replies import sse_event
from midfill_engine.serve.samples import Samples
from midfill_engine.serve.tgi_request import TgiRequest
from midfill_engine.serve.tgi_tokens import TokenWriter
from midfill_engine.text.stop import StopMatcher


def best_sample(samples: Samples) -> int:
    """The index of the sample with the highest mean log-probability, the first among equals."""
    means: list[float] = []
    for generation in samples.generations:
        logprobs = [token.logprob for token in generation.tokens]
        means.append(sum(logprobs) / max(1, len(logprobs)))
    return means.index(max(means))


def generate_reply(request: TgiRequest, samples: Samples, writer: TokenWriter) -> Json:
    """`GenerateResponse` of finished samples: the best, and the others in its details."""
    best = best_sample(samples)
    prefill = writer.prefill(samples.generations[0])
    sequences = [
        _sequence(request, generation, prefill, writer) for generation in samples.generations
    ]
    details = sequences.pop(best)
    reply: Json = {"generated_text": details.pop("generated_text")}
    if request.details:
        if sequences:
            details["best_of_sequences"] = sequences
        reply["details"] = details
    return reply


def reply_headers(request: TgiRequest, generation: Generation) -> dict[str, str]:
    """TGI's timing headers: milliseconds, but `x-compute-time` in seconds."""
    finished = generation.finished
    assert finished is not None
    timings = finished.timings
    inference_ms = timings.prefill_ms + timings.decode_ms
    return {
        **_total_time(request.started_at),
        "x-compute-characters": str(len(request.inputs)),
        "x-validation-time": str(int((request.validated_at - request.started_at) * 1e3)),
        "x-queue-time": str(int(timings.queue_ms)),
        "x-inference-time": str(int(inference_ms)),
        "x-time-per-token": str(int(inference_ms / max(1, timings.generated_tokens))),
        "x-prompt-tokens": str(timings.prompt_tokens),
        "x-generated-tokens": str(timings.generated_tokens),
    }


def cached_headers(headers: dict[str, str], started_at: float) -> dict[str, str]:
    """The headers of a reply that is sent again: nothing was queued or computed for it."""
    zeros = dict.fromkeys(("x-queue-time", "x-inference-time", "x-time-per-token"), "0")
    return {**headers, **_total_time(started_at), **zeros, "x-compute-type": "cache"}


async def stream_events(
    request: TgiRequest, generation: Generation, writer: TokenWriter
) -> AsyncIterator[bytes]:
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
            last = writer.stream_event(token, len(generation.tokens) + (held is None))
            last["generated_text"] = _full_text(request, generation, finished)
            if request.details:
                last["details"] = {
                    **_end(generation, finished),
                    "input_length": finished.timings.prompt_tokens,
                }
            yield sse_event(last)
            return
        if last_seen.is_last(event):
            held = event
        else:
            yield sse_event(writer.stream_event(event, len(generation.tokens)))


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


def _sequence(
    request: TgiRequest, generation: Generation, prefill: list[Json], writer: TokenWriter
) -> Json:
    """`BestOfSequence` of one sample."""
    assert generation.finished is not None
    sequence: Json = {
        "generated_text": _full_text(request, generation, generation.finished),
        **_end(generation, generation.finished),
        "prefill": prefill,
        "tokens": [writer.token(token) for token in generation.tokens],
    }
    if request.generation.top_n:
        sequence["top_tokens"] = [writer.top(token) for token in generation.tokens]
    return sequence


def _full_text(request: TgiRequest, generation: Generation, finished: Finished) -> str:
    """TGI leaves the stop text in, and puts the prompt first when asked to."""
    text = generation.text + (finished.stop_sequence or "")
    return request.inputs + text if request.return_full_text else text


def _end(generation: Generation, finished: Finished) -> Json:
    """Why and where it ended, and the seed if it mattered."""
    sampling = generation.request.sampling
    return {
        "finish_reason": finished.reason,
        "generated_tokens": finished.timings.generated_tokens,
        "seed": None if sampling.greedy else sampling.seed,
    }


def _total_time(started_at: float) -> dict[str, str]:
    total_s = time.perf_counter() - started_at
    return {"x-compute-time": f"{total_s:.6f}", "x-total-time": str(int(total_s * 1e3))}


def _empty_token(generation: Generation) -> TokenEvent:
    """Stands in a last event that no token announced."""
    token_id = generation.tokens[-1].token_id if generation.tokens else 0
    return TokenEvent(token_id=token_id, text="", delta="", logprob=0.0, special=True)
