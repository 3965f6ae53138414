"""Neovim's protocol over the pipes of a process: one request at a time, each waits for its reply.

The client library for Python leaves its pipes open, which tests take for an error.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

_msgpack: Any = importlib.import_module("msgpack")  # it has no types
_TIMEOUT_S = 10.0
_REQUEST, _RESPONSE = 0, 1


class Session:
    """A Neovim process that is asked."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, cwd=cwd
        )
        self._unpacker: Any = _msgpack.Unpacker(unicode_errors="surrogateescape")
        self._num_requests = 0

    def __enter__(self) -> Session:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process; it ends with its pipes."""
        with contextlib.suppress(BrokenPipeError), self._process:
            assert self._process.stdin
            self._process.stdin.close()
            try:
                self._process.wait(_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def request(self, method: str, *arguments: object) -> Any:  # noqa: ANN401  # the method's own
        """Ask and return the answer; an error fails the test."""
        self._num_requests += 1
        message = [_REQUEST, self._num_requests, method, arguments]
        assert self._process.stdin
        self._process.stdin.write(_msgpack.packb(message))
        self._process.stdin.flush()
        while True:
            kind, *rest = self._receive()
            if kind == _RESPONSE and rest[0] == self._num_requests:
                assert rest[1] is None, f"{method}: {rest[1]}"
                return rest[2]

    def _receive(self) -> list[Any]:
        assert self._process.stdout
        while True:
            for message in self._unpacker:
                return list(message)
            data = os.read(self._process.stdout.fileno(), 1 << 16)
            assert data, "Neovim has ended"
            self._unpacker.feed(data)
