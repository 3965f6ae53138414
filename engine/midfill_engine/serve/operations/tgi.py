"""TGI's routes and those of the Hugging Face PRO API."""

from __future__ import annotations

from collections.abc import Mapping

from midfill_engine.serve.operations.schema import (
    COUNT,
    FLAG,
    MODEL,
    SEED,
    TEXT,
    Operation,
    above,
    array,
    choice,
    integer,
    number,
    obj,
    optional,
    texts,
)

_PARAMETERS = obj(
    do_sample=optional(FLAG),
    max_new_tokens=optional(integer(1, 2**31 - 1)),
    temperature=optional(number(0)),
    top_k=optional(integer(1, 2**31 - 1)),
    top_p=optional(above(0, 1)),
    repetition_penalty=optional(above(0)),
    frequency_penalty=optional(number(-2, 2)),
    seed=optional(SEED),
    stop=optional(texts(4)),
    stop_sequences=optional(texts(4)),
    best_of=optional(integer(1, 2)),
    top_n_tokens=optional(integer(0, 5)),
    typical_p=optional(above(0, 1)),
    decoder_input_details=optional(FLAG),
    watermark=optional(FLAG),
    grammar=optional(obj("type", type=choice("json", "json_object", "json_schema", "regex"))),
    truncate=optional(integer(1)),
    return_full_text=optional(FLAG),
    details=optional(FLAG),
)
_BODY = obj(
    "inputs",
    model=MODEL,
    inputs={"type": "string", "minLength": 1},
    parameters=optional(_PARAMETERS),
    stream=optional(FLAG),
)
_DETAILS = obj(
    "finish_reason",
    "generated_tokens",
    "tokens",
    finish_reason=choice("length", "eos_token", "stop_sequence"),
    generated_tokens=COUNT,
    seed=optional(SEED),
    tokens=array(obj("id", "text", "logprob", "special", id=COUNT, text=TEXT, special=FLAG)),
)
_GENERATED = obj("generated_text", generated_text=TEXT, details=optional(_DETAILS))


def _generates(summary: str, reply: Mapping[str, object], streams: bool | None) -> Operation:
    return Operation(summary, reply, body=_BODY, streams=streams, generates=True)


OPERATIONS: Mapping[str, Operation] = {
    "POST /generate": _generates("Continue a text", _GENERATED, streams=False),
    "POST /generate_stream": _generates("Continue a text, token by token", TEXT, streams=None),
    "POST /": _generates("Continue a text, as the PRO API does", array(_GENERATED), streams=True),
    "POST /models/{model_id:path}": _generates(
        "Continue a text with one model, as the PRO API does", array(_GENERATED), streams=True
    ),
}
