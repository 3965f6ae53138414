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
    either,
    integer,
    number,
    obj,
    optional,
    texts,
)


def _pace(name: str) -> Mapping[str, Schema]:
    times = (f"{name}_ms", f"{name}_per_token_ms", f"{name}_per_second")
    return {f"{name}_n": COUNT, **dict.fromkeys(times, number(0))}


_TIMINGS = obj(
    cache_n=COUNT,
    **_pace("prompt"),
    **_pace("predicted"),
    draft_n=COUNT,
    draft_n_accepted=COUNT,
    queue_ms=number(0),
)
_CHANCE: Mapping[str, Schema] = {
    "id": COUNT,
    "token": TEXT,
    "bytes": array(integer(0, 255)),
    "logprob": number(),
}
_COMPLETION = obj(
    index=COUNT,
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
    generation_settings=obj(n_ctx=COUNT, n_predict=COUNT),
    timings=_TIMINGS,
    superseded=FLAG,
    logprobs=array(array(number())),
    completion_probabilities=array(obj(**_CHANCE, top_logprobs=array(obj(**_CHANCE)))),
)
_REPLY = either(_COMPLETION, array(_COMPLETION))
_OPTIONS: Mapping[str, Schema] = {
    "model": MODEL,
    "n_predict": optional(integer(-1, 2**31 - 1)),
    "temperature": optional(number(0)),
    "top_k": optional(integer(-1, 2**31 - 1)),
    "top_p": optional(number(0, 1)),
    "min_p": optional(number(0, 1)),
    "typical_p": optional(number(0, 1)),
    "presence_penalty": optional(number(-2, 2)),
    "logit_bias": optional(either(obj(), array(array({})))),
    "grammar": optional(TEXT),
    "json_schema": optional(either(obj(), FLAG)),
    "samplers": {},
    "id_slot": {},
    "n_indent": optional(integer(0, 2**31 - 1)),
    "logprobs": optional(FLAG),
    "n_probs": optional(integer(0, 20)),
    "n_cmpl": optional(integer(1, 8)),
    "t_max_predict_ms": optional(integer(-1, 2**31 - 1)),
    "t_max_prompt_ms": optional(integer(-1, 2**31 - 1)),
    "response_fields": optional(array(TEXT)),
    "session": optional({"type": "string", "maxLength": 512}),
    "repeat_penalty": optional(above(0)),
    "frequency_penalty": optional(number(-2, 2)),
    "seed": optional(integer(-1, 2**64 - 1)),
    "stop": optional(texts(16)),
    "stream": optional(FLAG),
    "cache_prompt": optional(FLAG),
}
_FILE = obj("text", text=TEXT, filename=optional(TEXT))

_SLOT = obj("id", "n_ctx", "is_processing", id=COUNT, n_ctx=COUNT, is_processing=FLAG)
_CONTINUE = Operation(
    "Continue a text, token ids, or both in turn, or several such prompts",
    _REPLY,
    body=obj(
        "prompt",
        prompt=either(TEXT, array(either(TEXT, COUNT, array(either(TEXT, COUNT))))),
        **_OPTIONS,
    ),
    streams=True,
    generates=True,
)
_PROPS = Operation(
    "What holds for a model",
    obj(
        "default_generation_settings",
        "total_slots",
        default_generation_settings=obj("n_ctx", n_ctx=COUNT),
        total_slots=COUNT,
        model_alias=TEXT,
    ),
    query={"model": TEXT},
)

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
            filename=optional(TEXT),
            repo_name=optional(TEXT),
            draft=optional({"type": "string", "maxLength": 16_384}),
            order=optional(choice("psm", "spm")),
            heal=optional(FLAG),
            **_OPTIONS,
        ),
        streams=True,
        generates=True,
    ),
    "POST /completion": _CONTINUE,
    "POST /completions": _CONTINUE,
    "POST /detokenize": Operation(
        "Token ids as text",
        obj("content", content=TEXT),
        body=obj("tokens", tokens=array(COUNT), model=MODEL),
    ),
    "GET /props": _PROPS,
    "GET /v1/props": _PROPS,
    "GET /slots": Operation("Who is at work", array(_SLOT), query={"model": TEXT}),
}
