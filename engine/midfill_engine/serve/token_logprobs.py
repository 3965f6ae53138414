"""Log-probabilities of tokens as JSON: OpenAI's form, llama.cpp's with ids, and a short one."""

from __future__ import annotations

import math

from midfill_engine.runtime.request import TokenEvent
from midfill_engine.serve.parse import Json
from midfill_engine.text.tokenizer import Tokenizer

_NEVER = -9999.0
"""What OpenAI writes for a log-probability that JSON cannot hold."""


def openai_logprob(event: TokenEvent, tokenizer: Tokenizer) -> Json:
    """A token of a chat's answer, with the likeliest at its place."""
    top = [_logprob(found.token_id, found.logprob, tokenizer) for found in event.top]
    return {**_logprob(event.token_id, event.logprob, tokenizer), "top_logprobs": top}


def length_and_logprob(event: TokenEvent) -> tuple[int, float]:
    """What a token adds to the text in code points, and how likely it was."""
    return len(event.text), round(_finite(event.logprob), 4)


def llama_probability(event: TokenEvent, tokenizer: Tokenizer) -> Json:
    """An entry of llama.cpp's `completion_probabilities`.

    `token` and `bytes` are what the token adds to the text, so that they add up to `content`. One
    whose likeliest tokens were not asked for is the likeliest itself.
    """
    told: Json = {
        "id": event.token_id,
        "token": event.text,
        "bytes": list(event.text.encode()),
        "logprob": _finite(event.logprob),
    }
    top = [
        {"id": found.token_id, **_logprob(found.token_id, found.logprob, tokenizer)}
        for found in event.top
    ]
    return {**told, "top_logprobs": top or [told]}


def _logprob(token_id: int, logprob: float, tokenizer: Tokenizer) -> Json:
    data = tokenizer.token_bytes(token_id)
    if tokenizer.is_special(token_id):
        data = tokenizer.token_text(token_id).encode()
    return {
        "token": data.decode("utf-8", "replace"),
        "logprob": _finite(logprob),
        "bytes": list(data),
    }


def _finite(logprob: float) -> float:
    return logprob if math.isfinite(logprob) else _NEVER
