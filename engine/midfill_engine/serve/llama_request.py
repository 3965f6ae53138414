"""From a `/completion` body to validated requests; `infill_request` does it for `/infill`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from midfill_engine.runtime.request import GenerationRequest
from midfill_engine.serve.grammar_request import compile_grammar, llama_grammar
from midfill_engine.serve.llama_options import LlamaOptions, read_llama_options
from midfill_engine.serve.parse import Fields, Json, invalid
from midfill_engine.serve.prompt_length import check_length
from midfill_engine.serve.served import Served
from midfill_engine.text.tokenizer import without_surrogates


@dataclass(frozen=True, slots=True)
class LlamaRequest:
    """A validated request of one or more prompts; `truncated` tells that its text was cut."""

    prompts: tuple[GenerationRequest, ...]
    options: LlamaOptions
    truncated: bool = False


async def read_completion_request(body: Json, served: Served) -> LlamaRequest:
    """Validate a body.

    Raises:
        ValidationError: a field is missing or wrong, or a prompt leaves no room.
    """
    fields = Fields(body)
    options = read_llama_options(fields, served, sampled=True)
    grammar_field, source = llama_grammar(fields)
    prompts = [await _prompt_ids(parts, served) for parts in _prompts(fields, served)]
    grammar = await compile_grammar(source, served, field=grammar_field)
    total, asked = served.max_total_tokens, options.n_predict
    requests: list[GenerationRequest] = []
    for ids in prompts:
        room = total - len(ids)
        request = GenerationRequest(
            prompt_ids=ids,
            max_new_tokens=room if asked is None or asked < 0 else min(asked, room),
            sampling=options.sampling,
            stop=options.stop,
            stop_token_ids=served.end_ids(ids),
            session=None if requests else options.session,  # two of one would end each other
            ends_with=options.session if requests else None,
            cache_prompt=options.cache_prompt,
            top_n=options.top_n,
            grammar=grammar,
        )
        requests.append(request)
    return LlamaRequest(tuple(requests), options)


def _prompts(fields: Fields, served: Served) -> list[list[str | int]]:
    """Each prompt's parts; as in llama.cpp, a list with a token id among its entries is one."""
    value = fields.raw("prompt")
    if value is None:
        raise invalid("missing field `prompt`")
    entries = cast("list[object]", value) if isinstance(value, list) else [value]
    if any(is_id(entry) for entry in entries):
        return [_parts(entries)]
    most = served.limits.max_prompts
    if not 0 < len(entries) <= most:
        raise invalid(f"`prompt` must hold 1 to {most} prompts. Given: {len(entries)}")
    return [
        _parts(cast("list[object]", entry) if isinstance(entry, list) else [entry])
        for entry in entries
    ]


def _parts(entries: Sequence[object]) -> list[str | int]:
    """A prompt's texts and token ids in their order; llama.cpp takes them mixed."""
    parts: list[str | int] = []
    for entry in entries:
        if isinstance(entry, str):
            parts.append(without_surrogates(entry))
        elif is_id(entry):
            parts.append(cast("int", entry))
        else:
            raise invalid("`prompt` must be a string, token ids and strings, or a list of either")
    return parts


async def _prompt_ids(parts: Sequence[str | int], served: Served) -> tuple[int, ...]:
    num_chars = sum(len(part) for part in parts if isinstance(part, str))
    check_length("prompt", num_chars, served)
    if num_chars > served.limits.inline_chars:
        ids = await asyncio.to_thread(_encode, parts, served)
    else:
        ids = _encode(parts, served)
    total = served.max_total_tokens
    if not ids:
        raise invalid("`prompt` cannot be empty")
    if len(ids) >= total:
        raise invalid(f"`prompt` must have less than {total} tokens. Given: {len(ids)}")
    return ids


def _encode(parts: Sequence[str | int], served: Served) -> tuple[int, ...]:
    """Texts are read with the names of special tokens in them, as llama.cpp does."""
    ids: list[int] = []
    for idx, part in enumerate(parts):
        if isinstance(part, int):
            ids.append(checked_id(part, "prompt", served))
            continue
        encoded = served.tokenizer.encode_with_specials(part)
        if idx and encoded and encoded[0] == served.tokenizer.bos_id:
            encoded = encoded[1:]
        ids += encoded
    return tuple(ids)


def is_id(value: object) -> bool:
    """Whether a JSON value may be a token id."""
    return isinstance(value, int) and not isinstance(value, bool)


def checked_id(token_id: int, name: str, served: Served) -> int:
    """A token id of the model, or ValidationError."""
    if not 0 <= token_id < served.vocab_size:
        raise invalid(f"`{name}` must hold token ids below {served.vocab_size}. Given: {token_id}")
    return token_id
