"""Drives llama-index against the engine at ENGINE_URL, and prints what came as JSON.

A program of its own: llama-index wants an older openai than the other tests drive. Both lie in a
folder that only this process looks into (`make .venv/.llama-index`). Called by `test_llama_index`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.huggingface_api import HuggingFaceInferenceAPI
from llama_index.llms.openai_like import OpenAILike
from openai import NotFoundError

URL, KEY = os.environ["ENGINE_URL"], os.environ["ENGINE_KEY"]
PROMPT = "def add(a, b):"
MESSAGES = [ChatMessage(role="system", content="Be brief."), ChatMessage(content=PROMPT)]


async def ways(make: Callable[[], Any], **asked: Any) -> dict[str, Any]:  # noqa: ANN401
    """The text of each of llama-index's eight ways to ask.

    huggingface_hub's asynchronous client takes no more questions behind a stream, so each
    asynchronous way has a client of its own.
    """
    model = make()
    streamed = [part.delta or "" for part in model.stream_complete(PROMPT, **asked)]
    chatted = [part.delta or "" for part in model.stream_chat(MESSAGES, **asked)]
    astreamed = await make().astream_complete(PROMPT, **asked)
    achatted = await make().astream_chat(MESSAGES, **asked)
    return {
        "complete": model.complete(PROMPT, **asked).text,
        "stream_complete": "".join(streamed),
        "acomplete": (await make().acomplete(PROMPT, **asked)).text,
        "astream_complete": "".join([part.delta or "" async for part in astreamed]),
        "chat": model.chat(MESSAGES, **asked).message.content,
        "stream_chat": "".join(chatted),
        "achat": (await make().achat(MESSAGES, **asked)).message.content,
        "astream_chat": "".join([part.delta or "" async for part in achatted]),
        "pieces": [len(streamed), len(chatted)],
    }


def openai_like(base: str = "/v1", model: str = "owner/tiny", **options: Any) -> Any:  # noqa: ANN401
    return OpenAILike(
        model=model,
        api_base=URL + base,
        api_key=KEY,
        max_retries=0,
        **{"temperature": 0, "max_tokens": 6, "context_window": 256, **options},
    )


def called(model: Any) -> dict[str, Any]:  # noqa: ANN401
    """The call that a model was made to answer with."""

    def weather(place: int) -> str:
        """Tells the weather."""
        return str(place)

    tool = FunctionTool.from_defaults(fn=weather)
    answer = model.chat_with_tools([tool], user_msg=PROMPT, tool_required=True)
    (call,) = model.get_tool_calls_from_response(answer)
    return {"name": call.tool_name, "arguments": call.tool_kwargs}


def refused(ask: Callable[[], object]) -> str:
    try:
        ask()
    except NotFoundError as error:
        return str(error.code)
    return "answered"


def hugging_face(model: str, **options: Any) -> Any:  # noqa: ANN401
    more: dict[str, Any] = {"token": KEY, "num_output": 6, "temperature": 0.5}
    return HuggingFaceInferenceAPI(model=model, **more, **options)


async def main() -> None:
    own = f"{URL}/models/owner/tiny"
    calls = openai_like(is_chat_model=True, is_function_calling_model=True, max_tokens=150)
    writes = partial(hugging_face, URL, task="text-generation")
    told = {
        "completions": await ways(openai_like),
        "chat": await ways(partial(openai_like, "/models/owner/tiny/v1", is_chat_model=True)),
        "text_generation": await ways(writes, seed=5, return_full_text=False),
        "conversational": await ways(partial(hugging_face, own), seed=5),
        "call": called(calls),
        "refused": refused(lambda: openai_like(model="none").complete(PROMPT)),
    }
    json.dump(told, sys.stdout)


asyncio.run(main())
