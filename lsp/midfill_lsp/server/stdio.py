"""Messages framed by `Content-Length` over stdin and stdout.

stdin is read by a daemon thread straight from its descriptor: a thread inside a buffered reader
would hold its lock, and so the whole process, when the interpreter ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import BinaryIO

logger = logging.getLogger(__name__)

_READ_BYTES = 1 << 16
_MAX_BODY_BYTES = 256 << 20


class FrameError(Exception):
    """The stream is not framed as LSP frames it; there is no way to find the next message."""


class FrameReader:
    """Cuts a byte stream into message bodies."""

    def __init__(self) -> None:
        """Start at the beginning of a header."""
        self._buffer = bytearray()
        self._body_len: int | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Return the bodies that are complete now.

        Raises:
            FrameError: a header without a usable length.
        """
        self._buffer += data
        bodies: list[bytes] = []
        while True:
            if self._body_len is None:
                end = self._buffer.find(b"\r\n\r\n")
                if end < 0:
                    return bodies
                self._body_len = _body_len(bytes(self._buffer[:end]))
                del self._buffer[: end + 4]
            if len(self._buffer) < self._body_len:
                return bodies
            bodies.append(bytes(self._buffer[: self._body_len]))
            del self._buffer[: self._body_len]
            self._body_len = None


def take_stdout() -> BinaryIO:
    """Return stdout for the protocol alone; a stray `print` goes to stderr from now on."""
    own = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdout.flush()  # what was printed before, to where prints go now
    return own


@dataclass(frozen=True, slots=True)
class Received:
    """A message's body, and when it came, by the monotonic clock."""

    body: bytes
    at_s: float


def start_reading(messages: asyncio.Queue[Received | None]) -> None:
    """Put the messages from stdin into a queue of the running loop; None when stdin has ended."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def put(received: list[Received] | list[None]) -> None:
        for message in received:
            messages.put_nowait(message)

    def read() -> None:
        frames = FrameReader()
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody listens any more
            try:
                while data := os.read(descriptor, _READ_BYTES):
                    at_s = time.monotonic()
                    received = [Received(body, at_s) for body in frames.feed(data)]
                    if received:
                        loop.call_soon_threadsafe(put, received)
            except FrameError as error:
                logger.error("stdin is no language server protocol: %s", error)
            except OSError:
                pass
            loop.call_soon_threadsafe(put, [None])

    threading.Thread(target=read, name="stdin", daemon=True).start()


def _body_len(header: bytes) -> int:
    for line in header.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            body_len = int(value)
            if body_len <= _MAX_BODY_BYTES:
                return body_len
    raise FrameError(f"no usable Content-Length in a header of {len(header)} bytes")
