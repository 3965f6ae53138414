"""Find the user's engine or start it, one caller at a time. Called by `shared` and the CLI.

Synchronous and without HTTP: `midfill lsp` calls it before anything else is imported, so that
the engine loads its model while the language server loads its own modules.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import filelock

from midfill_lsp.config import EngineConfig
from midfill_lsp.engine_process import command, log, process, state
from midfill_lsp.engine_process.state import Record
from midfill_lsp.errors import EngineStartError

logger = logging.getLogger(__name__)

_LOCK_TIMEOUT_S = 20.0  # the lock is held for some file operations and one spawn: milliseconds


# An engine that dies sooner than this after its start is taken for one that cannot live.
SHORT_LIFE_S = 60.0
PAUSES_S = (0.0, 1.0, 4.0)
"""Before the start after the first, second, third short life in a row; then it is given up."""
GIVEN_UP_S = 600.0
"""Until somebody restarts it by hand, or this long after."""


class TooSoon(Exception):
    """The engine died just now, and is started again after a pause."""

    def __init__(self, wait_s: float) -> None:
        """Keep the rest of the pause."""
        super().__init__(f"again in {wait_s:.1f} s")
        self.wait_s = wait_s


def start_early(config: EngineConfig) -> None:
    """Start the engine if it is not there, and do not wait for it; errors come up later again."""
    if config.url is None:
        with contextlib.suppress(EngineStartError, TooSoon):
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
        EngineStartError: there is no engine to start, no place for its files, or it died again and
            again.
        TooSoon: it died a moment ago.
    """
    folder = state.ensure_dir()
    record_file = _record_file(folder, config)
    with _locked(record_file):
        record = state.read_record(record_file)
        if record is not None:
            if record != gone and _is_usable(record, config):
                return record
            record = _note_crash(record, record_file)
            _check_pause(record)
            state.remove_files(record)
        started = _start(config, folder)
        if record is not None:
            started = replace(started, num_crashes=record.num_crashes)
        state.write_record(record_file, started)
        return started


def forgive(config: EngineConfig) -> None:
    """Forget how often the engine died: the user wants it started now.

    Raises:
        EngineStartError: there is no place for its files.
    """
    record_file = _record_file(state.ensure_dir(), config)
    with _locked(record_file):
        record = state.read_record(record_file)
        if record is not None:
            state.write_record(record_file, replace(record, num_crashes=0, retry_at=0.0))
            if not process.is_alive(record.pid):
                state.remove_files(record)


@contextlib.contextmanager
def _locked(record_file: Path) -> Generator[None]:
    try:
        with filelock.FileLock(record_file.with_suffix(".lock"), _LOCK_TIMEOUT_S, mode=0o600):
            yield
    except filelock.Timeout as error:
        raise EngineStartError(
            f"{error.lock_file} is held by another process for over {_LOCK_TIMEOUT_S:g} s; "
            "end that process and try again"
        ) from error
    except OSError as error:
        raise EngineStartError(f"the engine cannot be started: {error}") from error


def _note_crash(record: Record, record_file: Path) -> Record:
    """Return the record of an engine that is gone with its death counted, once for everybody."""
    if record.retry_at:
        return record
    if not state.has_crashed(record, is_alive=process.is_alive(record.pid)):
        return replace(record, num_crashes=0)
    now = time.time()
    is_short = 0 <= now - record.started_at < SHORT_LIFE_S
    num_crashes = record.num_crashes + 1 if is_short else 1
    pause_s = PAUSES_S[num_crashes - 1] if num_crashes <= len(PAUSES_S) else GIVEN_UP_S
    record = replace(record, num_crashes=num_crashes, retry_at=now + pause_s)
    logger.warning("the engine died: pid=%d, %d short lives", record.pid, num_crashes)
    state.write_record(record_file, record)
    return record


def _check_pause(record: Record) -> None:
    wait_s = record.retry_at - time.time()
    if wait_s <= 0 or wait_s > GIVEN_UP_S:  # over, or the clock was set back
        return
    if record.num_crashes <= len(PAUSES_S):
        raise TooSoon(wait_s)
    raise EngineStartError(
        f"the engine died {record.num_crashes} times soon after its start and is left alone for "
        f"{wait_s / 60:.0f} min: {log.why_ended(Path(record.log_file))}; restart it "
        "(midfill.restartEngine), or see midfill doctor"
    )


def _record_file(folder: Path, config: EngineConfig) -> Path:
    return folder / f"{command.identity(config)}.json"


def _is_usable(record: Record, config: EngineConfig) -> bool:
    """Return whether the record's engine runs, or may still come up.

    A process id may belong to another process by now. A ready engine proves itself by its
    lease; one that is not ready has only its start timeout to hide behind, from when it was heard
    of last.
    """
    ready = state.read_ready(record)
    if ready is not None:
        return process.is_alive(ready.pid)
    silent_s = time.time() - log.sign_of_life(Path(record.log_file), record.started_at)
    return process.is_alive(record.pid) and 0 <= silent_s < config.start_timeout_s


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
    files = (str(ready_file), str(key_file), str(log_file))
    return Record(pid, time.time(), *files, version=command.version())
