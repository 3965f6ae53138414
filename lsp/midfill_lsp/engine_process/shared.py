"""`SharedEngine`: the user's one engine, there when it is asked for. Called by the backend.

endpoint() ── held lease? ── yes ─────────────────────────────▶ Endpoint
                 │ no (or lost)
                 ▼ one task, however many callers
find or start ─▶ wait until ready ─▶ open a lease ─▶ hold it ──▶ Endpoint
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from midfill_lsp.config import EngineConfig
from midfill_lsp.engine_process import command, log, process, start, state
from midfill_lsp.engine_process.endpoint import Endpoint
from midfill_lsp.engine_process.lease import Lease, LeaseRefused, LeaseSilent
from midfill_lsp.engine_process.state import Ready, Record
from midfill_lsp.errors import EngineGone, EngineStartError

logger = logging.getLogger(__name__)

# A file and a process that is not our child send no event: they are looked at this often.
_POLL_S = 0.02
_NUM_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class _Held:
    record: Record
    ready: Ready
    endpoint: Endpoint
    lease: Lease

    @property
    def is_other_version(self) -> bool:
        return self.record.version != command.version()


class SharedEngine:
    """Finds or starts the engine on demand, holds a lease on it, notices its end."""

    def __init__(
        self,
        config: EngineConfig,
        *,
        retry_after_s: float = 30.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Do nothing yet.

        Args:
            config: which engine; its `url` is not looked at.
            retry_after_s: after a failed start, the same error is given for this long before
                the next try, because every key would otherwise start a process that fails.
            sleep: waits the pause after a crash, in seconds.
        """
        self._sleep = sleep
        self._config = config
        self._retry_after_s = retry_after_s
        self._held: _Held | None = None
        self._opening: asyncio.Task[Endpoint] | None = None
        self._failure: tuple[float, str] | None = None
        self._on_progress: Callable[[str, int], None] | None = None

    def watch_progress(self, on_progress: Callable[[str, int], None]) -> None:
        """Have this called while a model comes: downloading or loading, and the percent of it.

        Often with the same.
        """
        self._on_progress = on_progress

    async def endpoint(self) -> Endpoint:
        """Return where the engine answers, after finding or starting it if need be.

        Cancelling one caller does not end the start that others wait for.

        Raises:
            EngineStartError: it cannot be started; the message says why and what to do.
            EngineGone: it runs, but does not answer.
        """
        held = self._held
        if held is not None and not held.lease.lost.is_set():
            return held.endpoint
        if self._opening is None:
            self._check_recent_failure()
            self._opening = asyncio.create_task(self._open(), name="engine-open")
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    def report_gone(self, url: str) -> None:
        """Say that a request to `url` failed: the next `endpoint` looks again."""
        if self._held is not None and self._held.endpoint.url == url:
            self._held.lease.lost.set()

    async def restart(self) -> None:
        """End the engine, for all editors; the next `endpoint` starts a new one."""
        held = self._held
        await self._let_go()
        self._failure = None
        await asyncio.to_thread(start.forgive, self._config)
        record = await asyncio.to_thread(start.find, self._config)
        if record is None:
            return
        ready = state.read_ready(record)
        # Only a process that answered as our engine, or that is still in its start, is ended.
        if ready is None:
            await asyncio.to_thread(process.end_and_wait, record.pid)
        elif held is not None and held.ready == ready:
            await asyncio.to_thread(process.end_and_wait, ready.pid)

    async def aclose(self) -> None:
        """Let go of the engine; it ends by itself when the last editor has."""
        await self._let_go()

    def describe(self) -> dict[str, object]:
        """Return what status lines show: state, url, pid, model, version, note, reason."""
        held, state_name = self._held, "stopped"
        if held is not None and not held.lease.lost.is_set():
            state_name = "ready"
        elif self._opening is not None:
            state_name = "starting"
        elif self._failure is not None:
            state_name = "failed"
        ready = held.ready if held is not None and state_name == "ready" else None
        return {
            "state": state_name,
            "url": ready.url if ready else None,
            "pid": ready.pid if ready else None,
            "model": ready.model if ready else self._config.model,
            "version": ready.version if ready else None,
            "note": self._note(),
            "reason": self._failure[1] if state_name == "failed" and self._failure else None,
        }

    def _note(self) -> str | None:
        held = self._held
        if held is None or held.lease.lost.is_set() or not held.is_other_version:
            return None
        return (
            f"the engine was started by Midfill {held.record.version}, this is "
            f"{command.version()}: it is used as it is while other editors use it, and replaced "
            "once they are closed"
        )

    async def _open(self) -> Endpoint:
        lost = await self._drop_lost()
        gone: Record | None = None
        reason: object = None
        for _ in range(_NUM_ATTEMPTS):
            began_at = time.time()
            record = await self._find_or_start(gone)
            ready = await self._wait_until_ready(record, is_ours=record.started_at >= began_at)
            if ready is None:
                reason = log.why_ended(Path(record.log_file))
            else:
                try:
                    held = await _hold(record, ready)
                except (LeaseRefused, OSError) as error:
                    failure = log.last_error(Path(record.log_file))
                    reason = failure or error
                    logger.warning("engine not used: pid=%d: %s", ready.pid, reason)
                    was_ours = lost is not None and lost.ready == ready
                    if was_ours and isinstance(error, LeaseSilent):  # nobody else would end it
                        await asyncio.to_thread(process.end_and_wait, ready.pid)
                    elif was_ours or failure is not None:  # it is ending, and then is a crash
                        await asyncio.to_thread(process.wait, ready.pid)
                else:
                    if held.is_other_version and held.lease.is_only and gone is None:
                        # Nobody uses it: it ends by itself, and one of our version begins.
                        await held.lease.aclose()
                        gone = record
                        continue
                    self._held = held
                    return held.endpoint
            gone = record
        raise EngineGone(
            f"the engine does not answer ({reason}); restart it, or see midfill doctor"
        )

    async def _find_or_start(self, gone: Record | None) -> Record:
        while True:
            try:
                return await asyncio.to_thread(start.find_or_start, self._config, gone)
            except start.TooSoon as error:
                await self._sleep(error.wait_s)
            except OSError as error:
                raise EngineStartError(f"the engine cannot be started: {error}") from error

    async def _wait_until_ready(self, record: Record, *, is_ours: bool) -> Ready | None:
        """Return what the engine says of itself; None if it was about to end when we came.

        `is_ours` says that it was started for us, so that its end is a failure of its start.
        """
        log_file = Path(record.log_file)
        while True:
            has_ended = not process.is_alive(record.pid)
            # Looked at after the process: an engine may have become ready and then ended.
            ready = state.read_ready(record)
            if ready is not None:
                return ready
            if has_ended and not is_ours and log.last_error(log_file) is None:
                return None
            if has_ended:
                raise EngineStartError(log.why_ended(log_file))
            if self._on_progress is not None and (told := log.progress(log_file)) is not None:
                self._on_progress(*told)
            silent_s = time.time() - log.sign_of_life(log_file, record.started_at)
            if silent_s > self._config.start_timeout_s:
                process.end(record.pid)
                raise EngineStartError(
                    f"the engine was not ready within {self._config.start_timeout_s:g} s; "
                    f"raise midfill.engine.startTimeoutS or see {record.log_file}"
                )
            await asyncio.sleep(_POLL_S)

    def _opened(self, task: asyncio.Task[Endpoint]) -> None:
        self._opening = None
        if task.cancelled():
            return
        error = task.exception()  # asked for even if every caller was cancelled meanwhile
        self._failure = (time.monotonic(), str(error)) if error is not None else None

    def _check_recent_failure(self) -> None:
        if self._failure is not None:
            failed_at, reason = self._failure
            if time.monotonic() - failed_at < self._retry_after_s:
                raise EngineStartError(reason)

    async def _drop_lost(self) -> _Held | None:
        held, self._held = self._held, None
        if held is not None:
            await held.lease.aclose()
            logger.warning("engine lost: pid=%d log=%s", held.ready.pid, held.record.log_file)
        return held

    async def _let_go(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        held, self._held = self._held, None
        if held is not None:
            await held.lease.aclose()


async def _hold(record: Record, ready: Ready) -> _Held:
    key = await asyncio.to_thread(Path(record.key_file).read_text, encoding="ascii")
    log_file = Path(record.log_file)
    lease = await Lease.open(ready.url, key.strip(), ready.pid, lambda: log.bound(log_file))
    return _Held(record, ready, Endpoint(ready.url, key.strip()), lease)
