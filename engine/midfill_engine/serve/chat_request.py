"""From a chat body to a validated request: OpenAI's fields and TGI's, with their bounds and texts.

Called by `chat`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast

from midfill_engine.errors import TemplateError, ToolError
from midfill_engine.exec.grammar_source import GrammarSource
from midfill_engine.runtime.request import GenerationRequest
from midfill_engine.serve.chat_messages import read_messages
from midfill_engine.serve.grammar_request import compile_grammar, response_format
from midfill_engine.serve.parse import Fields, Json, invalid
from midfill_engine.serve.sampling import openai_sampling
from midfill_engine.serve.served import Served
from midfill_engine.serve.tools import Tools, read_tools
from midfill_engine.text.chat import Chat, ChatPrompt, Conversation

_U31 = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A validated request and what its reply needs.

    Attributes:
        generation: for the engine.
        num_choices: answers to one question.
        logprobs: whether the reply tells of tokens.
        tools: what may be called.
        parallel_calls: whether an answer may hold several calls.
        stream: whether the answer is streamed.
        include_usage: whether a stream ends with the counts.
        started_at: when work on it began.
    """

    generation: GenerationRequest
    num_choices: int
    logprobs: bool
    tools: Tools
    parallel_calls: bool
    stream: bool
    include_usage: bool
    started_at: float


async def read_chat_request(body: Json, served: Served, *, started_at: float) -> ChatRequest:
    """Validate a body.

    Raises:
        ValidationError: with TGI's text where it has one.
        TemplateError: the model cannot chat, or its format refuses the conversation.
        ToolError: tools and what is wanted of them do not fit together.
    """
    fields = Fields(body)
    _refuse_unsupported(fields)
    chat = chat_of(served)
    tools = read_tools(fields)
    sampling = openai_sampling(fields, vocab_size=served.vocab_size)
    stop = fields.texts("stop", most=served.limits.max_stops_tgi)
    asked_field, asked = _max_tokens(fields)
    logprobs = fields.flag("logprobs", default=False)
    top_n = _top_logprobs(fields, served, logprobs=logprobs)
    num_choices = _num_choices(fields, served)
    stream = fields.flag("stream", default=False)
    include_usage = fields.nested("stream_options").flag("include_usage", default=False)
    parallel_calls = fields.flag("parallel_tool_calls", default=True)
    source, grammar_field = _grammar_source(fields, tools)
    prompt = await read_prompt(fields, served, chat, tools)
    draft = _draft(fields, served)
    generation = GenerationRequest(
        prompt_ids=prompt.ids,
        max_new_tokens=_room(len(prompt.ids), asked, asked_field, served),
        sampling=sampling,
        stop=(*stop, *chat.stop_texts),
        stop_token_ids=served.tokenizer.eos_ids | chat.stop_ids,
        draft=draft,
        top_n=top_n,
        grammar=await compile_grammar(source, served, field=grammar_field),
    )
    return ChatRequest(
        generation, num_choices, logprobs, tools, parallel_calls, stream, include_usage, started_at
    )


def chat_of(served: Served) -> Chat:
    """The model's chat format.

    Raises:
        TemplateError: it has none.
    """
    if served.chat is None:
        raise TemplateError(
            f"Template error: template not found: {served.model_id} cannot chat, it only completes "
            "text (/v1/completions, /infill): serve a chat model, or put a chat_template.jinja "
            "beside its tokenizer.json"
        )
    return served.chat


async def read_prompt(fields: Fields, served: Served, chat: Chat, tools: Tools) -> ChatPrompt:
    """The prompt of a body's conversation, made off the event loop.

    Raises:
        ValidationError: the conversation is malformed.
        TemplateError: the model's format refuses it.
    """
    messages = read_messages(fields)
    if not chat.knows("developer"):  # the newer name of the same role
        messages = [
            {**message, "role": "system"} if message["role"] == "developer" else message
            for message in messages
        ]
    if not chat.knows("tools"):
        messages = tools.told(messages)
    conversation = Conversation(
        messages,
        tools=tools.functions if chat.knows("tools") else (),
        documents=_documents(fields),
        variables=_variables(fields),
    )
    try:
        return await asyncio.to_thread(chat.prompt, conversation)
    except TemplateError as error:
        raise TemplateError(f"Template error: {error}") from None


def _refuse_unsupported(fields: Fields) -> None:
    fields.refuse("audio", "web_search_options", "guideline")
    fields.refuse("modalities", harmless=(["text"], []))


def _max_tokens(fields: Fields) -> tuple[str, int | None]:
    """The field that bounds the answer, and its bound."""
    rule = "must be strictly positive"
    newer, older = "max_completion_tokens", "max_tokens"
    found = {name: fields.integer(name, low=1, high=_U31, rule=rule) for name in (newer, older)}
    field = older if found[newer] is None else newer
    return field, found[field]


def _room(prompt_len: int, asked: int | None, asked_field: str, served: Served) -> int:
    """How many tokens may come; to the context's end where the request does not say."""
    total = served.max_total_tokens
    if prompt_len > total - 1:
        raise invalid(f"`messages` must have less than {total} tokens. Given: {prompt_len}")
    if asked is None:
        return total - prompt_len
    if prompt_len + asked > total:
        raise invalid(
            f"`messages` tokens + `{asked_field}` must be <= {total}. "
            f"Given: {prompt_len} `messages` tokens and {asked} `{asked_field}`"
        )
    return asked


def _top_logprobs(fields: Fields, served: Served, *, logprobs: bool) -> int:
    most = served.limits.max_top_logprobs
    rule = f"must be >= 0 and <= {most}"
    top_n = fields.integer("top_logprobs", low=0, high=most, rule=rule)
    if top_n and not logprobs:
        raise invalid("`top_logprobs` needs `logprobs`: true")
    return top_n or 0


def _num_choices(fields: Fields, served: Served) -> int:
    most = served.limits.max_choices
    return fields.integer("n", low=1, high=most, rule=f"must be >= 1 and <= {most}") or 1


def _grammar_source(fields: Fields, tools: Tools) -> tuple[GrammarSource | None, str]:
    """What the answer has to obey, and the field that says so."""
    wanted = response_format(fields)
    if wanted is not None and tools.functions:
        raise ToolError("Tool error: Grammar and tools are mutually exclusive")
    if tools.choice == "required":
        return GrammarSource.json_schema(tools.schema()), "tools"
    return wanted, "response_format"


def _draft(fields: Fields, served: Served) -> tuple[int, ...]:
    """OpenAI's `prediction`: a text that may well be the answer."""
    content = fields.nested("prediction").raw("content")
    if not isinstance(content, str) or not content:
        return ()
    text = content[: served.limits.max_draft_chars]
    ids = served.tokenizer.encode(text, bos=False, leading_space=False)
    return tuple(ids[: served.limits.max_draft_tokens])


def _documents(fields: Fields) -> tuple[Json, ...]:
    value = fields.raw("documents")
    if value is None:
        return ()
    entries = cast("list[object]", value) if isinstance(value, list) else [None]
    documents = [cast("Json", entry) for entry in entries if isinstance(entry, dict)]
    if len(documents) < len(entries):
        raise invalid("`documents` must be a list of objects")
    return tuple(documents)


def _variables(fields: Fields) -> Json:
    """More variables for the template, such as `enable_thinking`."""
    value = fields.raw("chat_template_kwargs")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid("`chat_template_kwargs` must be an object")
    variables = cast("Json", value)
    taken = {"messages", "tools", "documents", "add_generation_prompt"} & set(variables)
    if taken:
        raise invalid(f"`chat_template_kwargs` must not hold `{min(taken)}`")
    return variables
