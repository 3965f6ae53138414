"""llama.cpp's routes, and Midfill's fields on them."""

from __future__ import annotations

from collections.abc import Mapping

from midfill_engine.serve.operations.schema import (
    COUNT,
    FLAG,
    MODEL,
    TEXT,
    Operation,
    Schema,
    above,
    array,
    choice,
    integer,
    number,
    obj,
    optional,
    texts,
)

_TIMINGS = obj(
    cache_n=COUNT,
    prompt_n=COUNT,
    prompt_ms=number(0),
    predicted_n=COUNT,
    predicted_ms=number(0),
    draft_n=COUNT,
    draft_n_accepted=COUNT,
    queue_ms=number(0),
)
_REPLY = obj(
    content=TEXT,
    tokens=array(COUNT),
    stop=FLAG,
    stop_type=choice("none", "eos", "limit", "word"),
    stopping_word=TEXT,
    model=TEXT,
    tokens_cached=COUNT,
    tokens_evaluated=COUNT,
    tokens_predicted=COUNT,
    truncated=FLAG,
    timings=_TIMINGS,
    superseded=FLAG,
)
_OPTIONS: Mapping[str, Schema] = {
    "model": MODEL,
    "n_predict": optional(integer(-1, 2**31 - 1)),
    "temperature": optional(number(0)),
    "top_k": optional(integer(-1, 2**31 - 1)),
    "top_p": optional(above(0)),
    "repeat_penalty": optional(above(0)),
    "frequency_penalty": optional(number(-2, 2)),
    "seed": optional(integer(-1, 2**64 - 1)),
    "stop": optional(texts(16)),
    "stream": optional(FLAG),
    "cache_prompt": optional(FLAG),
}
_FILE = obj("text", text=TEXT, filename=optional(TEXT))

OPERATIONS: Mapping[str, Operation] = {
    "POST /infill": Operation(
        "The text between a prefix and a suffix",
        _REPLY,
        body=obj(
            "input_prefix",
            "input_suffix",
            input_prefix=TEXT,
            input_suffix=TEXT,
            prompt=optional(TEXT),
            input_extra=optional(array(_FILE)),
            session=optional({"type": "string", "maxLength": 512}),
            draft=optional({"type": "string", "maxLength": 16_384}),
            order=optional(choice("psm", "spm")),
            heal=optional(FLAG),
            **_OPTIONS,
        ),
        streams=True,
        generates=True,
    ),
}
