"""`midfill/chat`: the editor keeps the conversation, the server streams the next answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import cast

from pygls.exceptions import JsonRpcInvalidParams

from midfill_lsp.backend.base import Backend, ChatMessage
from midfill_lsp.server.raw import RawParams, is_token, members

MAX_ANSWER_TOKENS = 512
_ROLES = ("system", "user", "assistant")


def read(params: RawParams) -> tuple[tuple[ChatMessage, ...], str | int | None]:
    """Return the messages and the token of a `midfill/chat` request.

    Raises:
        JsonRpcInvalidParams: something is missing or has the wrong type.
    """
    fields = members(params)
    token, raw = fields.get("partialResultToken"), fields.get("messages")
    if token is not None and not is_token(token):
        raise JsonRpcInvalidParams("midfill/chat: partialResultToken: text or number")
    if not isinstance(raw, list) or not raw:
        raise JsonRpcInvalidParams("midfill/chat: messages: a list that is not empty")
    messages: list[ChatMessage] = []
    for idx, entry in enumerate(cast("list[object]", raw)):
        role, content = members(entry).get("role"), members(entry).get("content")
        if role not in _ROLES or not isinstance(content, str):
            raise JsonRpcInvalidParams(
                f"midfill/chat: messages[{idx}]: a role of {', '.join(_ROLES)} and a text content"
            )
        messages.append(ChatMessage(role, content))
    return tuple(messages), token


async def answer(
    backend: Backend, messages: tuple[ChatMessage, ...], on_partial: Callable[[str], None] | None
) -> str:
    """Return the answer; `on_partial` gets the whole text so far each time it has grown.

    Raises:
        BackendError: no answer could be had.
    """
    text = ""
    async with aclosing(backend.chat(messages, MAX_ANSWER_TOKENS)) as stream:
        async for delta in stream:
            if isinstance(delta, str):
                text += delta
                if on_partial:
                    on_partial(text)
    return text
