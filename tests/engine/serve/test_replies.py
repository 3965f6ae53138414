"""How a stream of events ends when something goes wrong in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message

from midfill_engine.serve.replies import EventStream, sse_event
from tests.engine.serve.conftest import sse_values


class _Opened:
    request_id = "one"
    closed = False

    def close(self) -> None:
        self.closed = True


async def _events() -> AsyncIterator[bytes]:
    yield sse_event({"text": "a"})
    raise ZeroDivisionError


async def _nothing() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_bug_is_told_as_the_last_event(caplog: pytest.LogCaptureFixture) -> None:
    """The stream broke off, and its client could not tell that from an end."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    opened = _Opened()
    scope = {"type": "http", "path": "/v1/completions"}
    await EventStream(opened, _events())(scope, _nothing, send)
    body = b"".join(message.get("body", b"") for message in sent).decode()
    text, error = sse_values(body)
    assert text == {"text": "a"}
    assert error["error"]["type"] == "server_error"
    assert not sent[-1].get("more_body", False)
    assert opened.closed
    assert "ZeroDivisionError" in caplog.text
