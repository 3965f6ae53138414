"""The engine's log file: small, and read for the last error and progress. For `start`, `shared`."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

MAX_BYTES = 4_000_000
KEPT_BYTES = 256_000
ERROR_MARK = "midfill-engine: error: "
_PROGRESS = re.compile(r"^midfill-engine: .+: (downloading|loading) (\d{1,3}) %$", re.MULTILINE)
_PROGRESS_BYTES = 4_000  # of the end, where the last line stands


def rotate(log_file: Path) -> None:
    """Set the previous run's log aside as `.1`, and make an empty private one."""
    with contextlib.suppress(FileNotFoundError):
        os.replace(log_file, _previous(log_file))
    os.close(os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))


def bound(log_file: Path) -> None:
    """Cut a log that a running engine appends to, once it is too large; keep its end as `.1`.

    The engine's descriptor is in append mode, so it goes on writing at the new end. A line
    written between the copy and the cut is lost.
    """
    with contextlib.suppress(OSError):
        if log_file.stat().st_size > MAX_BYTES:
            _previous(log_file).write_bytes(_tail(log_file, KEPT_BYTES))
            os.truncate(log_file, 0)


def last_error(log_file: Path) -> str | None:
    """Return the text of the last `midfill-engine: error:` line, or None."""
    with contextlib.suppress(OSError):
        for line in reversed(_tail(log_file, KEPT_BYTES).decode("utf-8", "replace").splitlines()):
            if line.startswith(ERROR_MARK):
                return line[len(ERROR_MARK) :].strip()
    return None


def progress(log_file: Path) -> tuple[str, int] | None:
    """Return what an engine that starts does, downloading or loading, and the percent of it."""
    with contextlib.suppress(OSError):
        told = _PROGRESS.findall(_tail(log_file, _PROGRESS_BYTES).decode("utf-8", "replace"))
        if told:
            stage, percent = told[-1]
            return stage, int(percent)
    return None


def sign_of_life(log_file: Path, started_at: float) -> float:
    """Return when an engine that starts was heard of last, in Unix time.

    A download may take an hour, and tells its progress meanwhile.
    """
    try:
        return max(started_at, log_file.stat().st_mtime)
    except OSError:
        return started_at


def why_ended(log_file: Path) -> str:
    """Return what is known of why the engine ended."""
    reason = last_error(log_file)
    return reason if reason is not None else f"it ended without a word of why; see {log_file}"


def _previous(log_file: Path) -> Path:
    return log_file.with_name(log_file.name + ".1")


def _tail(path: Path, num_bytes: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - num_bytes))
        return file.read(num_bytes)
