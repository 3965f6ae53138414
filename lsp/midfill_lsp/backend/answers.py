"""JSON objects out of a body: an event stream, lines, or one document.

Called by `wire`; `closable` and `compression_of` by whoever else reads a body.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, cast

from midfill_lsp.backend.sse import EventParser
from midfill_lsp.errors import BadReply
from midfill_lsp.printable import one_line

_MAX_BODY_BYTES = 8_000_000
_PACKED = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"})
_LINES = frozenset({"application/x-ndjson", "application/jsonl"})

Chunks = AsyncGenerator[bytes, None]
Values = AsyncGenerator[dict[str, Any], None]


class Whole(dict[str, Any]):
    """An answer that came as one document, where a stream was asked for or not."""


def closable(chunks: AsyncIterator[bytes]) -> Chunks:
    """Return the same object by its real type, which httpx does not promise."""
    return cast("Chunks", chunks)


def compression_of(headers: Mapping[str, str]) -> str | None:
    """Return how a body was compressed that was asked for without, None if it was not.

    Such a body is not read: unpacked, a kilobyte can be a gigabyte. Another coding than these
    packs nothing: gateways send `none`, so that nobody on the way holds an event stream back.
    """
    encoding = headers.get("content-encoding", "")
    codings = {coding.strip().lower() for coding in encoding.split(",")}
    return None if codings.isdisjoint(_PACKED) else one_line(encoding)


def read(content_type: str, chunks: Chunks, server: str) -> Values:
    """Yield each JSON object of a body; closing closes `chunks`.

    Args:
        content_type: the header.
        chunks: the body, cut anywhere.
        server: named in errors.

    Raises:
        BadReply: the body is not what the header says, or too large.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return _events(chunks, server)
    return _lines(chunks, server) if kind in _LINES else _whole(chunks, server)


async def _events(chunks: Chunks, server: str) -> Values:
    parser = EventParser()
    async with aclosing(chunks):
        async for chunk in chunks:
            try:
                events = parser.feed(chunk)
            except ValueError as error:  # broken UTF-8 or an endless event
                raise BadReply(f"{server} sent no event stream: {error}") from error
            for data in events:
                if data != "[DONE]":
                    yield _parse(data, server)


async def _lines(chunks: Chunks, server: str) -> Values:
    rest = b""
    async with aclosing(chunks):
        async for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _MAX_BODY_BYTES:
                raise BadReply(f"{server} sent a line without an end")
            for line in lines:
                if line.strip():
                    yield _parse(line, server)
    if rest.strip():
        yield _parse(rest, server)


async def _whole(chunks: Chunks, server: str) -> Values:
    body = bytearray()
    async with aclosing(chunks):
        async for chunk in chunks:
            body += chunk
            if len(body) > _MAX_BODY_BYTES:
                raise BadReply(f"{server} sent over {_MAX_BODY_BYTES} bytes")
    yield Whole(_parse(bytes(body), server))


def _parse(data: str | bytes, server: str) -> dict[str, Any]:
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError):  # the latter of what is nested too deep
        value = None
    if isinstance(value, list):  # the PRO API answers a list of one
        value = next(iter(cast("list[object]", value)), None)
    if not isinstance(value, dict):
        raise BadReply(f"{server} sent {len(data)} characters that are no JSON object")
    return cast("dict[str, Any]", value)
