"""The file of statistics: a line of JSON for each day, language and time that it was added to.

Several processes add to it, each under a lock. Once it is large, lines of one day and language are
made one, and the oldest days go.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import filelock

from midfill_lsp.statistics.tally import Key, Tally, dump, load

logger = logging.getLogger(__name__)

NAME = "statistics.jsonl"
MAX_BYTES = 512 * 1024
"""A line has 200 bytes; half of this holds `MAX_DAYS` of three languages, merged in 55 ms."""
MAX_DAYS = 400
_LOCK_TIMEOUT_S = 2.0  # the lock is held for a read and a write of `MAX_BYTES`


class Store:
    """Adds to the file, reads it, empties it. Blocks: call it in a thread."""

    def __init__(self, path: Path) -> None:
        """Touch nothing yet."""
        self._path = path

    def add(self, tallies: Mapping[Key, Tally]) -> bool:
        """Add counts; False if the file cannot be written, and then none of them is in it."""
        if not tallies:
            return True
        lines = "".join(dump(key, tally) + "\n" for key, tally in tallies.items())
        try:
            with self._lock():
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(lines)
                if self._path.stat().st_size > MAX_BYTES:
                    self._compact()
        except (OSError, filelock.Timeout) as error:
            logger.warning("no statistics kept: %s", type(error).__name__)
            return False
        return True

    def read(self) -> dict[Key, Tally]:
        """Return all counts, by day and language; what is no line of ours is left out."""
        merged: dict[Key, Tally] = {}
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return merged
        for line in lines:
            loaded = load(line)
            if loaded is not None:
                merged.setdefault(loaded[0], Tally()).add(loaded[1])
        return merged

    def reset(self) -> None:
        """Forget everything.

        Raises:
            OSError: the file cannot be removed.
        """
        with contextlib.suppress(FileNotFoundError), self._lock():
            self._path.unlink()

    def _lock(self) -> filelock.BaseFileLock:
        return filelock.FileLock(self._path.with_suffix(".lock"), _LOCK_TIMEOUT_S, mode=0o600)

    def _compact(self) -> None:
        merged = self.read()
        days = sorted({key.day for key in merged})[-MAX_DAYS:]
        lines = {
            day: "".join(dump(key, tally) + "\n" for key, tally in merged.items() if key.day == day)
            for day in days
        }
        # Half, so that the next line does not ask for the same again.
        while len(lines) > 1 and sum(map(len, lines.values())) > MAX_BYTES // 2:
            del lines[min(lines)]
        draft = self._path.with_suffix(".tmp")
        draft.write_text("".join(lines.values()), encoding="utf-8")
        draft.chmod(0o600)
        os.replace(draft, self._path)
