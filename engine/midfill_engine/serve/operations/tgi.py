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
    Schema,
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
    options=optional(obj(use_cache=optional(FLAG), wait_for_model=optional(FLAG))),
)
_TOKEN = obj(
    "id",
    "text",
    "logprob",
    "special",
    id=COUNT,
    text=TEXT,
    logprob=optional({"type": "number"}),
    special=FLAG,
)
_PREFILL = obj("id", "text", "logprob", id=COUNT, text=TEXT, logprob=optional({"type": "number"}))
_SEQUENCE: Mapping[str, Schema] = {
    "finish_reason": choice("length", "eos_token", "stop_sequence"),
    "generated_tokens": COUNT,
    "seed": optional(SEED),
    "prefill": array(_PREFILL),
    "tokens": array(_TOKEN),
    "top_tokens": array(array(_TOKEN)),
}
_NEEDED = ("finish_reason", "generated_tokens", "prefill", "tokens")
_OTHER = obj("generated_text", *_NEEDED, generated_text=TEXT, **_SEQUENCE)
_DETAILS = obj(*_NEEDED, best_of_sequences=array(_OTHER), **_SEQUENCE)
_GENERATED = obj("generated_text", generated_text=TEXT, details=optional(_DETAILS))
_INVOKED = obj(
    model=MODEL,
    inputs=optional({"type": "string", "minLength": 1}),
    messages=optional(array(obj("role"))),
    prompt=optional(TEXT),
    parameters=optional(_PARAMETERS),
    stream=optional(FLAG),
)
_PLACED = obj("id", "text", "start", "stop", id=COUNT, text=TEXT, start=COUNT, stop=COUNT)

_CONTENT = obj(
    "content",
    model=MODEL,
    content=TEXT,
    add_special=optional(FLAG),
    parse_special=optional(FLAG),
    with_pieces=optional(FLAG),
)
_PIECE = obj("id", "piece", id=COUNT, piece=either(TEXT, array(integer(0, 255))))


def _generates(summary: str, reply: Mapping[str, object], streams: bool | None) -> Operation:
    return Operation(summary, reply, body=_BODY, streams=streams, generates=True)


OPERATIONS: Mapping[str, Operation] = {
    "POST /generate": _generates("Continue a text", _GENERATED, streams=False),
    "POST /generate_stream": _generates("Continue a text, token by token", TEXT, streams=None),
    "POST /": _generates("Continue a text, as the PRO API does", array(_GENERATED), streams=True),
    "POST /models/{model_id:path}": _generates(
        "Continue a text with one model, as the PRO API does", array(_GENERATED), streams=True
    ),
    "POST /invocations": Operation(
        "Continue a text, complete a prompt or answer a conversation",
        either(array(_GENERATED), obj("choices")),
        body=_INVOKED,
        streams=True,
        generates=True,
    ),
    "POST /tokenize": Operation(
        "The tokens of a text",
        either(array(_PLACED), obj("tokens", tokens=array(either(COUNT, _PIECE)))),
        body=either(_BODY, _CONTENT),
    ),
}
