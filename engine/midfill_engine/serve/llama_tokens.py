"""Tokens as llama.cpp tells them: its form of `/tokenize`, `/detokenize` and `/apply-template`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.serve.chat_request import chat_of, read_prompt
from midfill_engine.serve.llama_request import checked_id, is_id
from midfill_engine.serve.parse import Fields, Json, invalid, read_object
from midfill_engine.serve.registry import Models
from midfill_engine.serve.replies import json_reply
from midfill_engine.serve.served import Served
from midfill_engine.serve.tools import read_tools
from midfill_engine.text.spans import token_spans
from midfill_engine.text.tokenizer import Tokenizer


class LlamaTokenRoutes:
    """`POST /detokenize` and `/apply-template`; `TokenizeRoute` has the third."""

    def __init__(self, models: Models) -> None:
        """Answer with these models' vocabularies and chat formats."""
        self._models = models

    def routes(self) -> list[Route]:
        """For the app."""
        return [
            Route("/detokenize", self._detokenize, methods=["POST"]),
            Route("/apply-template", self._apply_template, methods=["POST"]),
        ]

    async def _detokenize(self, request: Request) -> Response:
        body = await read_object(request, self._models)
        served = await self._models.hold_for(request, body)
        value = Fields(body).raw("tokens")
        if not isinstance(value, list):
            raise invalid("`tokens` must be a list of token ids")
        entries = cast("Sequence[object]", value)
        if not all(is_id(entry) for entry in entries):
            raise invalid("`tokens` must be a list of token ids")
        ids = [checked_id(cast("int", entry), "tokens", served) for entry in entries]
        return json_reply({"content": served.tokenizer.decode(ids)})

    async def _apply_template(self, request: Request) -> Response:
        body = await read_object(request, self._models)
        served = await self._models.hold_for(request, body)
        fields = Fields(body)
        prompt = await read_prompt(fields, served, chat_of(served), read_tools(fields))
        return json_reply({"prompt": prompt.text})


async def tokenize_content(fields: Fields, served: Served) -> Json:
    """The reply to `{"content": ...}`, with `add_special`, `parse_special` and `with_pieces`.

    Raises:
        ValidationError: a field is wrong.
    """
    content = fields.needed_text("content")
    add = fields.flag("add_special", default=False)
    parse = fields.flag("parse_special", default=True)
    with_pieces = fields.flag("with_pieces", default=False)
    encode = _with_names if parse else _plain
    if len(content) > served.limits.inline_chars:
        ids = await asyncio.to_thread(encode, served.tokenizer, content, add)
    else:
        ids = encode(served.tokenizer, content, add)
    if not with_pieces:
        return {"tokens": ids}
    pieces = [{"id": token_id, "piece": _piece(served.tokenizer, token_id)} for token_id in ids]
    return {"tokens": pieces}


def _with_names(tokenizer: Tokenizer, text: str, add: bool) -> list[int]:
    """Names of special tokens are read; one that begins a text stays if the text spells it out."""
    spans = token_spans(tokenizer, text)
    implicit = bool(spans) and spans[0].stop == 0 and spans[0].token_id == tokenizer.bos_id
    return [span.token_id for span in (spans[1:] if implicit and not add else spans)]


def _plain(tokenizer: Tokenizer, text: str, add: bool) -> list[int]:
    return tokenizer.encode(text, bos=add)


def _piece(tokenizer: Tokenizer, token_id: int) -> str | list[int]:
    """A token's text; the bytes of one that holds part of a character."""
    if tokenizer.is_special(token_id):
        return tokenizer.token_text(token_id)
    data = tokenizer.token_bytes(token_id)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return list(data)
