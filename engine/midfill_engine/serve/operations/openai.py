"""OpenAI's routes."""

from __future__ import annotations

from collections.abc import Mapping

from midfill_engine.serve.operations.schema import (
    COUNT,
    FLAG,
    MODEL,
    TEXT,
    Operation,
    above,
    array,
    choice,
    either,
    integer,
    number,
    obj,
    optional,
    texts,
)

USAGE = obj(
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    prompt_tokens=COUNT,
    completion_tokens=COUNT,
    total_tokens=COUNT,
)
_LOGPROBS = obj(
    "tokens",
    "token_logprobs",
    "top_logprobs",
    "text_offset",
    tokens=array(TEXT),
    token_logprobs=array(optional(number())),
    top_logprobs=array(optional(obj())),
    text_offset=array(COUNT),
)
_CHOICE = obj(
    "index",
    "text",
    "finish_reason",
    index=COUNT,
    text=TEXT,
    logprobs=optional(_LOGPROBS),
    finish_reason=choice("stop", "length"),
)
_COMPLETION = obj(
    "id",
    "object",
    "created",
    "model",
    "choices",
    "usage",
    id=TEXT,
    object=choice("text_completion"),
    created=COUNT,
    model=TEXT,
    choices=array(_CHOICE),
    usage=USAGE,
)

_COMPLETE = Operation(
    "Continue a prompt, or fill in between it and `suffix`",
    _COMPLETION,
    body=obj(
        "prompt",
        model=MODEL,
        prompt=either(TEXT, array(TEXT), array(COUNT), array(array(COUNT))),
        echo=optional(FLAG),
        logprobs=optional(integer(0, 5)),
        n=optional(integer(1, 8)),
        best_of=optional(integer(1, 8)),
        presence_penalty=optional(number(-2, 2)),
        logit_bias=optional(obj()),
        suffix=optional(TEXT),
        max_tokens=optional(integer(0)),
        temperature=optional(number(0, 2)),
        top_p=optional(above(0)),
        seed=optional(integer(-(2**63), 2**64 - 1)),
        stop=optional(either({"type": "string", "minLength": 1}, texts(4))),
        stream=optional(FLAG),
        stream_options=optional(obj(include_usage=optional(FLAG))),
        frequency_penalty=optional(number(-2, 2)),
        repetition_penalty=optional(above(0)),
        heal=optional(FLAG),
        user=optional(TEXT),
    ),
    streams=True,
    generates=True,
)

OPERATIONS: Mapping[str, Operation] = {
    "POST /v1/completions": _COMPLETE,
    "POST /models/{model_id:path}/v1/completions": _COMPLETE,
}
