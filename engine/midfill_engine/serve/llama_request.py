"""From a `/completion` body to a validated request; `infill_request` does it for `/infill`."""

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
    """A validated request; `truncated` tells that its text was cut."""

    generation: GenerationRequest
    options: LlamaOptions
    truncated: bool = False


async def read_completion_request(body: Json, served: Served) -> LlamaRequest:
    """Validate a body.

    Raises:
        ValidationError: a field is missing or wrong, or the prompt leaves no room.
    """
    fields = Fields(body)
    options = read_llama_options(fields, served, sampled=True)
    grammar_field, source = llama_grammar(fields)
    parts = _parts(fields.raw("prompt"))
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
    asked = options.n_predict
    room = total - len(ids)
    generation = GenerationRequest(
        prompt_ids=ids,
        max_new_tokens=room if asked is None or asked < 0 else min(asked, room),
        sampling=options.sampling,
        stop=options.stop,
        stop_token_ids=served.end_ids(ids),
        session=options.session,
        cache_prompt=options.cache_prompt,
        top_n=options.top_n,
        grammar=await compile_grammar(source, served, field=grammar_field),
    )
    return LlamaRequest(generation, options)


def _parts(prompt: object) -> list[str | int]:
    """A prompt's texts and token ids in their order; llama.cpp takes them mixed."""
    if prompt is None:
        raise invalid("missing field `prompt`")
    entries = cast("Sequence[object]", prompt if isinstance(prompt, list) else [prompt])
    parts: list[str | int] = []
    for entry in entries:
        if isinstance(entry, str):
            parts.append(without_surrogates(entry))
        elif isinstance(entry, int) and not isinstance(entry, bool):
            parts.append(entry)
        else:
            raise invalid("`prompt` must be a string, or a list of strings and token ids")
    return parts


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


def checked_id(token_id: int, name: str, served: Served) -> int:
    """A token id of the model, or ValidationError."""
    if not 0 <= token_id < served.pieces.vocab_size:
        raise invalid(
            f"`{name}` must hold token ids below {served.pieces.vocab_size}. Given: {token_id}"
        )
    return token_id
