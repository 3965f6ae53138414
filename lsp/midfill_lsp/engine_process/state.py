"""The private folder and the files that describe a running engine. Called by `start`, `shared`.

    engine-ID.lock               held while somebody finds or starts the engine of this identity
    engine-ID.json               `Record`: which process was started, where its files are
    engine-ID-NONCE.key          its key, mode 0600
    engine-ID-NONCE.ready.json   `Ready`: written by the engine itself once it accepts requests
    engine-ID.log, .log.1        its output

Every start has its own nonce, so that an engine that ends late never removes or overwrites
the files of its successor.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import platformdirs

from midfill_lsp.errors import EngineStartError

DIR_VARIABLE = "MIDFILL_STATE_DIR"


@dataclass(frozen=True, slots=True)
class Record:
    """An engine process that some language server started. Times are Unix time.

    Attributes:
        version: of the Midfill that started it, "" where it did not say.
        num_crashes: how many engines before this one, without a pause, died soon after their
            start; with `retry_at` this one among them.
        retry_at: once it was found dead, when the next may be started; 0 before that.
    """

    pid: int
    started_at: float
    ready_file: str
    key_file: str
    log_file: str
    version: str = ""
    num_crashes: int = 0
    retry_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Ready:
    """What an engine says of itself when it accepts requests (docs/protocol.md)."""

    pid: int
    url: str
    model: str
    version: str


def state_dir() -> Path:
    """Return where the state lies: `MIDFILL_STATE_DIR`, or the user's state folder."""
    chosen = os.environ.get(DIR_VARIABLE)
    # Not the runtime folder: a login over ssh may have none, and would not find the engine.
    return Path(chosen) if chosen else Path(platformdirs.user_state_dir("midfill", False))


def ensure_dir() -> Path:
    """Make the state folder with mode 0700 if there is none, and return its absolute path.

    Raises:
        EngineStartError: it cannot be made, or somebody else could change what lies there.
    """
    try:
        folder = state_dir().expanduser().absolute()
    except RuntimeError:
        told = f"set HOME, or {DIR_VARIABLE} to a folder"
        raise EngineStartError(f"no home folder is known for the state: {told}") from None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.stat()
    except OSError as error:
        raise EngineStartError(
            f"the state folder {folder} cannot be made: {error.strerror}; "
            f"set {DIR_VARIABLE} to one that can"
        ) from error
    if sys.platform != "win32" and (
        facts.st_uid != os.getuid() or stat.S_IMODE(facts.st_mode) & 0o022
    ):
        raise EngineStartError(
            f"the state folder {folder} can be changed by other users; "
            f"run chmod 700 on it, or set {DIR_VARIABLE} to a private one"
        )
    return folder


def write_key(path: Path) -> None:
    """Write a new random key, readable by this user only."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32))


def write_record(path: Path, record: Record) -> None:
    """Write the record in one step, so that no reader sees half of it."""
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(asdict(record)), encoding="utf-8")
    os.replace(draft, path)


def read_record(path: Path) -> Record | None:
    """Return the record, or None if there is none that can be read."""
    facts = _read(path)
    try:
        return Record(
            pid=int(facts["pid"]),
            started_at=float(facts["started_at"]),
            ready_file=str(facts["ready_file"]),
            key_file=str(facts["key_file"]),
            log_file=str(facts["log_file"]),
            version=str(facts.get("version", "")),
            num_crashes=int(facts.get("num_crashes", 0)),
            retry_at=float(facts.get("retry_at", 0.0)),
        )
    except (KeyError, TypeError, ValueError):
        return None


def read_ready(record: Record) -> Ready | None:
    """Return what the engine wrote, or None if it is not ready yet."""
    facts = _read(Path(record.ready_file))
    try:
        return Ready(
            pid=int(facts["pid"]),
            url=str(facts["url"]).rstrip("/"),
            model=str(facts["model"]),
            version=str(facts["version"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def has_crashed(record: Record, *, is_alive: bool) -> bool:
    """Whether an engine that had been ready died; one that ends withdraws its ready file."""
    return not is_alive and read_ready(record) is not None


def remove_files(record: Record) -> None:
    """Remove an ended engine's key and ready file; its log stays for the user."""
    for name in (record.ready_file, record.key_file):
        with contextlib.suppress(OSError):
            os.unlink(name)


def _read(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", facts) if isinstance(facts, dict) else {}
