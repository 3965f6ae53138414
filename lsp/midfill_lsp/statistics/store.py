"""The file of statistics: a line of JSON for each day, language and time that it was added to.

Several processes add to it, each under a lock. Once it is large, lines of one day and language are
made one, and the oldest days go. A file beside it says when everything was forgotten last, so that
nobody writes what he counted before.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

import filelock

from midfill_lsp.statistics.tally import Key, Tally, dump, load

logger = logging.getLogger(__name__)

NAME = "statistics.jsonl"
MAX_BYTES = 512 * 1024
"""A line has 200 bytes; half of this holds `MAX_DAYS` of three languages, merged in 55 ms."""
MAX_DAYS = 400
_BINARY: int = getattr(os, "O_BINARY", 0)  # Windows would write CRLF
_LOCK_TIMEOUT_S = 2.0  # the lock is held for a read and a write of `MAX_BYTES`


class Store:
    """Adds to the file, reads it, empties it. Blocks: call it in a thread."""

    def __init__(self, path: Path) -> None:
        """Touch nothing yet."""
        self._path = path

    def add(self, tallies: Mapping[Key, Tally], since_s: float | None = None) -> bool:
        """Add counts; False if the file cannot be written, and then none of them is in it.

        Args:
            tallies: what to add.
            since_s: when it began, Unix time; what began before the last `reset` is left out.
        """
        if not tallies:
            return True
        lines = "".join(dump(key, tally) + "\n" for key, tally in tallies.items())
        try:
            with self._lock():
                if since_s is not None and since_s < self._reset_at_s():
                    return True
                self._append(lines.encode())
                if self._path.stat().st_size > MAX_BYTES:
                    with contextlib.suppress(OSError):  # the lines are in it all the same
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
            TimeoutError: another process does not let go of it.
            OSError: the file cannot be removed.
        """
        with contextlib.suppress(FileNotFoundError), self._lock():
            self._reset_file.write_text(str(time.time()), encoding="ascii")
            self._path.unlink()

    @property
    def _reset_file(self) -> Path:
        return self._path.with_suffix(".reset")

    def _reset_at_s(self) -> float:
        try:
            at_s = float(self._reset_file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0.0
        return at_s if at_s <= time.time() else 0.0  # the clock was set back

    def _append(self, lines: bytes) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _BINARY, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a process died while it wrote
                    lines = b"\n" + lines
            if file.write(lines) != len(lines):
                file.truncate(size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

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
