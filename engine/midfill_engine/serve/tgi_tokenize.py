"""TGI's `/tokenize`: the tokens that `/generate` would see, with their places in the text.

A body with `content` is llama.cpp's and answered as there.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.serve.llama_tokens import tokenize_content
from midfill_engine.serve.parse import Fields, Json, read_object
from midfill_engine.serve.registry import Models
from midfill_engine.serve.replies import json_reply
from midfill_engine.serve.tgi_request import kept_ids, truncate_of
from midfill_engine.text.spans import token_spans
from midfill_engine.text.tokenizer import Tokenizer


class TokenizeRoute:
    """`POST /tokenize`."""

    def __init__(self, models: Models) -> None:
        """Answer with these models' vocabularies."""
        self._models = models

    def routes(self) -> list[Route]:
        """For the app."""
        return [Route("/tokenize", self._tokenize, methods=["POST"])]

    async def _tokenize(self, request: Request) -> Response:
        body = await read_object(request, self._models)
        served = await self._models.hold_for(request, body)
        fields = Fields(body)
        if fields.has("content") and not fields.has("inputs"):
            return json_reply(await tokenize_content(fields, served))
        inputs = fields.needed_text("inputs")
        truncate = truncate_of(fields.nested("parameters"), served)
        if len(inputs) > served.limits.inline_chars:
            tokens = await asyncio.to_thread(simple_tokens, served.tokenizer, inputs)
        else:
            tokens = simple_tokens(served.tokenizer, inputs)
        return json_reply(kept_ids(tokens, truncate, _begins(tokens, served.tokenizer)))


def simple_tokens(tokenizer: Tokenizer, text: str) -> list[Json]:
    """`SimpleToken` of every token of a text."""
    return [
        {
            "id": span.token_id,
            "text": text[span.start : span.stop],
            "start": span.start,
            "stop": span.stop,
        }
        for span in token_spans(tokenizer, text)
    ]


def _begins(tokens: list[Json], tokenizer: Tokenizer) -> bool:
    return bool(tokens) and tokens[0]["id"] == tokenizer.bos_id
