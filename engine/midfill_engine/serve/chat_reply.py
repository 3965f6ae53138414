"""Chat replies and chunks as OpenAI writes them. Called by `chat`."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from midfill_engine.runtime.request import Finished, TokenEvent
from midfill_engine.serve.chat_request import ChatRequest
from midfill_engine.serve.generation import Generation, checked
from midfill_engine.serve.parse import Json
from midfill_engine.serve.replies import sse_event
from midfill_engine.serve.samples import Samples
from midfill_engine.serve.token_logprobs import openai_logprob
from midfill_engine.serve.tool_calls import MARKS, AnswerReader, CallArguments, CallStart, Part
from midfill_engine.text.tokenizer import Tokenizer


def chat_reply(request: ChatRequest, samples: Samples, model_id: str, tokenizer: Tokenizer) -> Json:
    """`chat.completion` of finished samples."""
    choices = [
        _choice(request, generation, idx, tokenizer)
        for idx, generation in enumerate(samples.generations)
    ]
    head = _head("chat.completion", model_id)
    return {**head, "choices": choices, "usage": _usage(_ends(samples))}


async def chat_events(
    request: ChatRequest, samples: Samples, model_id: str, tokenizer: Tokenizer
) -> AsyncIterator[bytes]:
    """`chat.completion.chunk` events: each answer's role first, its end last, then `[DONE]`."""
    usage: Json = {"usage": None} if request.include_usage else {}
    head = {**_head("chat.completion.chunk", model_id), **usage}
    answers = [_Answer(request, tokenizer) for _ in samples.generations]
    for idx in range(len(answers)):
        yield _chunk(head, idx, {"role": "assistant", "content": ""})
    async for idx, event in samples.events():
        answer = answers[idx]
        if isinstance(event, Finished):
            checked(event)
        for delta in answer.feed(event):
            yield _chunk(head, idx, delta, logprobs=answer.take_logprobs())
        if isinstance(event, Finished):
            rest, reason = answer.take_logprobs(), answer.finish_reason(event)
            yield _chunk(head, idx, {}, logprobs=rest, finish_reason=reason)
    if request.include_usage:
        yield sse_event({**head, "choices": [], "usage": _usage(_ends(samples))})
    yield b"data: [DONE]\n\n"


@dataclass(slots=True)
class _Answer:
    """One answer's deltas in OpenAI's form, and the log-probabilities that belong to them."""

    request: ChatRequest
    tokenizer: Tokenizer
    num_calls: int = 0
    _logprobs: list[Json] = field(default_factory=list[Json])
    _reader: AnswerReader = field(init=False)

    def __post_init__(self) -> None:
        self._reader = AnswerReader(self.request.tools)

    def feed(self, event: TokenEvent | Finished) -> Iterator[Json]:
        if isinstance(event, TokenEvent) and self.request.logprobs and not event.special:
            self._logprobs.append(openai_logprob(event, self.tokenizer))
        is_mark = isinstance(event, TokenEvent) and event.special and event.text in MARKS
        text = event.text if isinstance(event, TokenEvent) and is_mark else event.delta
        parts = list(self._reader.feed(text)) if text else []
        if isinstance(event, Finished):
            parts += self._reader.finish()
        for part in parts:
            delta = self._delta(part)
            if delta is not None:
                yield delta

    def take_logprobs(self) -> Json | None:
        """Those of the tokens since the last call; None where nobody asked."""
        if not self.request.logprobs:
            return None
        taken, self._logprobs = self._logprobs, []
        return {"content": taken, "refusal": None}

    def finish_reason(self, finished: Finished) -> str:
        if finished.reason == "length":
            return "length"
        return "tool_calls" if self.num_calls else "stop"

    def _delta(self, part: Part) -> Json | None:
        if isinstance(part, str):
            return {"content": part}
        if isinstance(part, CallStart):
            self.num_calls += 1
        if self.num_calls > 1 and not self.request.parallel_calls:
            return None
        call: Json = {"index": self.num_calls - 1}
        if isinstance(part, CallArguments):
            return {"tool_calls": [{**call, "function": {"arguments": part.text}}]}
        function = {"name": part.name, "arguments": ""}
        identity = {"id": f"call_{secrets.token_hex(12)}", "type": "function"}
        return {"tool_calls": [{**call, **identity, "function": function}]}


def _choice(request: ChatRequest, generation: Generation, idx: int, tokenizer: Tokenizer) -> Json:
    finished = generation.finished
    assert finished is not None
    answer = _Answer(request, tokenizer)
    events: list[TokenEvent | Finished] = [*generation.tokens, finished]
    deltas = [delta for event in events for delta in answer.feed(event)]
    return {
        "index": idx,
        "message": _message(deltas),
        "logprobs": answer.take_logprobs(),
        "finish_reason": answer.finish_reason(finished),
    }


def _message(deltas: Sequence[Json]) -> Json:
    """The message that a client puts together from a stream's deltas."""
    content = "".join(delta.get("content", "") for delta in deltas)
    calls: list[Json] = []
    for delta in deltas:
        for part in delta.get("tool_calls", ()):
            if "id" in part:
                calls.append({name: part[name] for name in ("id", "type", "function")})
            else:
                calls[-1]["function"]["arguments"] += part["function"]["arguments"]
    message: Json = {"role": "assistant", "content": content, "refusal": None}
    if calls:
        message = {**message, "content": content or None, "tool_calls": calls}
    return message


def _head(kind: str, model_id: str) -> Json:
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": kind,
        "created": int(time.time()),
        "model": model_id,
        "system_fingerprint": "midfill",
    }


def _chunk(
    head: Json,
    idx: int,
    delta: Json,
    *,
    logprobs: Json | None = None,
    finish_reason: str | None = None,
) -> bytes:
    shown = logprobs if logprobs is None or logprobs["content"] else None
    choice: Json = {
        "index": idx, "delta": delta, "logprobs": shown, "finish_reason": finish_reason
    }  # fmt: skip
    return sse_event({**head, "choices": [choice]})


def _ends(samples: Samples) -> list[Finished]:
    ends = [generation.finished for generation in samples.generations]
    return [end for end in ends if end is not None]


def _usage(ends: Sequence[Finished]) -> Json:
    """The prompt counts once, however many answers it gets."""
    prompt = ends[0].timings
    generated = sum(end.timings.generated_tokens for end in ends)
    return {
        "prompt_tokens": prompt.prompt_tokens,
        "completion_tokens": generated,
        "total_tokens": prompt.prompt_tokens + generated,
        "prompt_tokens_details": {"cached_tokens": prompt.cached_tokens},
    }
