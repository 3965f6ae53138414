"""What became of the latest requests, kept for `midfill.explain` and, in a file, `midfill explain`.

The file lies in the private state folder while the server runs. It holds sizes and names, no text:
of a document's place only the file's name. Called by `server` and `cli`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from midfill_lsp import reasons
from midfill_lsp.config import wire_name
from midfill_lsp.metrics import Explanation

logger = logging.getLogger(__name__)

NUM_KEPT = 50
PATTERN = "explanations-*.json"
_PAUSE_S = 1.0  # between two writes


class Recent:
    """Keeps the last explanations, and writes them down soon after they came."""

    def __init__(
        self,
        folder: Callable[[], Path | None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Keep nothing yet.

        Args:
            folder: gives where the file goes, called in a thread; None if there is no place.
            sleep: waits between two writes, in seconds.
        """
        self._folder = folder
        self._sleep = sleep
        self._kept: deque[tuple[float, Explanation]] = deque(maxlen=NUM_KEPT)
        self._news = asyncio.Event()
        self._path: Path | None = None

    def note(self, explanation: Explanation) -> None:
        """Keep one more."""
        self._kept.append((time.time(), explanation))
        self._news.set()

    def last(self, number: int = 1) -> list[dict[str, object]]:
        """Return the latest explanations with their reasons, the latest first."""
        latest = list(self._kept)[-number:] if number > 0 else []
        return [in_json(explanation) for _, explanation in reversed(latest)]

    async def keep(self) -> None:
        """Write what is new, until cancelled; then remove the file."""
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                await asyncio.to_thread(self._write, list(self._kept))
                await self._sleep(_PAUSE_S)
        finally:
            if self._path is not None:
                self._path.unlink(missing_ok=True)

    def _write(self, kept: list[tuple[float, Explanation]]) -> None:
        folder = self._folder()
        if folder is None:
            return
        path = folder / PATTERN.replace("*", str(os.getpid()))
        facts = {"pid": os.getpid(), "requests": [_on_disk(*item) for item in kept]}
        try:
            draft = path.with_suffix(".tmp")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(facts, file)
            os.replace(draft, path)
            self._path = path
        except OSError as error:
            logger.warning("explanations are not kept: %s", error.strerror)


def read_all(folder: Path, is_alive: Callable[[int], bool]) -> list[dict[str, Any]]:
    """Return the requests of all servers that run, the latest first; removes files left behind."""
    found: list[dict[str, Any]] = []
    for path in folder.glob(PATTERN):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            facts = json.loads(path.read_text(encoding="utf-8"))
            if is_alive(int(facts["pid"])):
                found += facts["requests"]
            else:
                path.unlink(missing_ok=True)
    return sorted(found, key=lambda request: -float(request["at"]))


def in_json(explanation: Explanation) -> dict[str, object]:
    """Return an explanation and its reason, by the names that JSON has here."""
    facts = {wire_name(key): value for key, value in asdict(explanation).items()}
    if explanation.context is not None:
        context = asdict(explanation.context)
        facts["context"] = {wire_name(key): value for key, value in context.items()}
    return {**facts, "reason": reasons.describe(explanation)}


def _on_disk(at: float, explanation: Explanation) -> dict[str, object]:
    facts = in_json(explanation)
    return {"at": at, "file": name_of(str(facts.pop("uri"))), **facts}


def name_of(uri: str) -> str:
    """Return the name of the file that a document's URI names, "" where the URI is malformed."""
    try:
        return PurePosixPath(unquote(urlsplit(uri).path)).name
    except ValueError:  # such as an unclosed bracket where a host would be
        return ""
