"""Chat, as OpenAI and TGI have it."""

from __future__ import annotations

from collections.abc import Mapping

from midfill_engine.serve.operations.openai import USAGE
from midfill_engine.serve.operations.schema import (
    ANY,
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

_PART = obj("type", "text", type=choice("text"), text=TEXT)
_ROLE = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}$"}
_CALLED = obj("name", name=TEXT, arguments=either(TEXT, obj()))
_CALL = obj("function", id=TEXT, type=choice("function"), function=_CALLED)
_CONTENT = either(TEXT, array(_PART))
_MESSAGE = either(
    obj("role", "content", role=_ROLE, content=_CONTENT, name=TEXT, tool_call_id=TEXT),
    obj("role", "tool_calls", role=choice("assistant"), tool_calls=array(_CALL)),
)
_FUNCTION = obj("name", name=TEXT, description=optional(TEXT), parameters=optional(obj()))
_TOOL = obj("type", "function", type=choice("function"), function=_FUNCTION)
_NAMED = obj("function", type=choice("function"), function=obj("name", name=TEXT))
_CHAT = obj(
    "messages",
    model=MODEL,
    messages={"type": "array", "items": _MESSAGE, "minItems": 1},
    tools=optional(array(_TOOL)),
    tool_choice=optional(either(choice("auto", "none", "required"), _NAMED)),
    parallel_tool_calls=optional(FLAG),
    max_tokens=optional(integer(1, 2**31 - 1)),
    max_completion_tokens=optional(integer(1, 2**31 - 1)),
    temperature=optional(number(0, 2)),
    top_p=optional(above(0)),
    n=optional(integer(1, 8)),
    seed=optional(integer(-(2**63), 2**64 - 1)),
    stop=optional(either({"type": "string", "minLength": 1}, texts(4))),
    stream=optional(FLAG),
    stream_options=optional(obj(include_usage=optional(FLAG))),
    logprobs=optional(FLAG),
    top_logprobs=optional(integer(0, 20)),
    frequency_penalty=optional(number(-2, 2)),
    presence_penalty=optional(number(-2, 2)),
    repetition_penalty=optional(above(0)),
    logit_bias=optional(obj()),
    response_format=optional(obj("type", type=TEXT)),
    tool_prompt=optional(TEXT),
    prediction=optional(obj(content=optional(either(TEXT, array(ANY))))),
    documents=optional(array(obj())),
    chat_template_kwargs=optional(obj()),
)
_ANSWER = obj(
    "index",
    "message",
    "finish_reason",
    index=COUNT,
    message=obj("role", "content", role=choice("assistant"), content=optional(TEXT)),
    logprobs=optional(obj()),
    finish_reason=choice("stop", "length", "tool_calls"),
)
_COMPLETION = obj(
    "id",
    "object",
    "created",
    "model",
    "choices",
    "usage",
    id=TEXT,
    object=choice("chat.completion"),
    created=COUNT,
    model=TEXT,
    choices=array(_ANSWER),
    usage=USAGE,
)
_OPERATION = Operation(
    "Answer a conversation", _COMPLETION, body=_CHAT, streams=True, generates=True
)
_TOKEN = obj("id", "text", "start", "stop", id=COUNT, text=TEXT, start=COUNT, stop=COUNT)

OPERATIONS: Mapping[str, Operation] = {
    "POST /v1/chat/completions": _OPERATION,
    "POST /models/{model_id:path}/v1/chat/completions": _OPERATION,
    "POST /apply-template": Operation(
        "The prompt that a conversation makes",
        obj("prompt", prompt=TEXT),
        body=obj("messages", model=MODEL, messages=array(_MESSAGE)),
    ),
    "POST /chat_tokenize": Operation(
        "The prompt that a conversation makes, and its tokens",
        obj("tokenize_response", "templated_text", templated_text=TEXT),
        body=obj("messages", model=MODEL, messages=array(_MESSAGE)),
    ),
}
