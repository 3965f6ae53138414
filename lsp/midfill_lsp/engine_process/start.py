"""Find the user's engine or start it, one caller at a time. Called by `shared` and the CLI.

Synchronous and without HTTP: `midfill lsp` calls it before anything else is imported, so that
the engine loads its model while the language server loads its own modules.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from pathlib import Path

import filelock

from midfill_lsp.config import EngineConfig
from midfill_lsp.engine_process import command, log, process, state
from midfill_lsp.engine_process.state import Record
from midfill_lsp.errors import EngineStartError

logger = logging.getLogger(__name__)

_LOCK_TIMEOUT_S = 20.0  # the lock is held for some file operations and one spawn: milliseconds


def start_early(config: EngineConfig) -> None:
    """Start the engine if it is not there, and do not wait for it; errors come up later again."""
    if config.url is None:
        with contextlib.suppress(EngineStartError):
            find_or_start(config)


def find(config: EngineConfig) -> Record | None:
    """Return the record of an engine that runs or starts, without starting one."""
    record = state.read_record(_record_file(state.ensure_dir(), config))
    return record if record is not None and _is_usable(record, config) else None


def find_or_start(config: EngineConfig, gone: Record | None = None) -> Record:
    """Return the record of the user's engine, started now if there is none.

    It may still be loading its model. Two callers at once get the same engine.

    Args:
        config: which engine.
        gone: a record whose engine did not answer the caller; it is not returned again.

    Raises:
        EngineStartError: there is no engine to start, or no place for its files.
    """
    folder = state.ensure_dir()
    record_file = _record_file(folder, config)
    try:
        with filelock.FileLock(record_file.with_suffix(".lock"), _LOCK_TIMEOUT_S, mode=0o600):
            record = state.read_record(record_file)
            if record is not None:
                if record != gone and _is_usable(record, config):
                    return record
                state.remove_files(record)
            record = _start(config, folder)
            state.write_record(record_file, record)
            return record
    except filelock.Timeout as error:
        raise EngineStartError(
            f"{error.lock_file} is held by another process for over {_LOCK_TIMEOUT_S:g} s; "
            "end that process and try again"
        ) from error
    except OSError as error:
        raise EngineStartError(f"the engine cannot be started: {error}") from error


def _record_file(folder: Path, config: EngineConfig) -> Path:
    return folder / f"{command.identity(config)}.json"


def _is_usable(record: Record, config: EngineConfig) -> bool:
    """Return whether the record's engine runs, or may still come up.

    A process id may belong to another process by now. A ready engine proves itself by its
    lease; one that is not ready has only its start timeout to hide behind.
    """
    ready = state.read_ready(record)
    if ready is not None:
        return process.is_alive(ready.pid)
    age_s = time.time() - record.started_at
    return process.is_alive(record.pid) and 0 <= age_s < config.start_timeout_s


def _start(config: EngineConfig, folder: Path) -> Record:
    name = command.identity(config)
    stem = folder / f"{name}-{secrets.token_hex(4)}"
    ready_file, key_file = stem.with_suffix(".ready.json"), stem.with_suffix(".key")
    log_file = folder / f"{name}.log"
    argv = command.build(config, ready_file, key_file)
    log.rotate(log_file)
    state.write_key(key_file)
    try:
        # The state folder as working directory: `python -m` looks for modules there first,
        # and must not find those of the project that is open in the editor.
        pid = process.spawn_detached(argv, cwd=folder, env=command.environment(), log_file=log_file)
    except OSError as error:
        key_file.unlink(missing_ok=True)
        raise EngineStartError(
            f"{argv[0]!r} cannot be run: {error.strerror}; see midfill.engine.command"
        ) from error
    logger.info("engine started: pid=%d log=%s", pid, log_file)
    return Record(pid, time.time(), str(ready_file), str(key_file), str(log_file))
