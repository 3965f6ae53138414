"""The process around the app: the socket, the model, uvicorn, the ready file, the end.

`cli` calls `run_server` and knows nothing of uvicorn. The order is fixed: cheap checks, then the
socket, so that a busy port is told at once, then the model, then the ready file.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from midfill_engine.config import EngineConfig, ServerConfig, version
from midfill_engine.errors import EngineDied, EngineError, StartError
from midfill_engine.serve.access import exposure
from midfill_engine.serve.admin import Loader, ModelAdmin
from midfill_engine.serve.app import build_app
from midfill_engine.serve.http import BoundedHttp
from midfill_engine.serve.keys import ApiKey, write_key, write_private
from midfill_engine.serve.lease import Leases
from midfill_engine.serve.load import check_names, load_all
from midfill_engine.serve.registry import Models
from midfill_engine.serve.served import LiveStreams
from midfill_engine.serve.signals import ending_signals, unwinding

logger = logging.getLogger(__name__)


def run_server(
    config: EngineConfig,
    key: ApiKey,
    load: Loader,
    tell: Callable[[str], None],
) -> None:
    """Serve until a signal, until unused, or until an engine thread dies.

    Args:
        config: all settings.
        key: from `choose_key`.
        load: loads a model and starts its engine; slow.
        tell: shows one line to the user.

    Raises:
        StartError: two models have one name, the port is taken, or a file cannot be written or
            removed.
        ModelError: a model cannot be loaded.
        EngineDied: an engine thread has; what was open got its answer.
    """
    check_names(config)
    sock = bind(config.server)
    with sock, unwinding():
        _remove_stale(config.server.ready_file)
        host, port = config.server.host, sock.getsockname()[1]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        for warning in (key.warning, exposure(host)):
            if warning is not None:
                tell(f"midfill-engine: warning: {warning}")
        with _key_file(key, port, tell):
            models = Models(load_all(config, load))
            try:
                admin = ModelAdmin(models, config, load, has_key=key.value is not None)
                server = EngineServer(models, config.server, key.value, url, tell, admin)
                server.run(sockets=[sock])
            finally:
                models.close()


def _remove_stale(ready_file: Path | None) -> None:
    """Remove what an engine left there that had no time to: it would pass for ours."""
    if ready_file is None:
        return
    try:
        ready_file.unlink(missing_ok=True)
    except OSError as error:
        place = f"the ready file {ready_file} of an earlier engine ({error.strerror})"
        raise StartError(f"cannot remove {place}: check --ready-file") from error


@contextmanager
def _key_file(key: ApiKey, port: int, tell: Callable[[str], None]) -> Generator[None]:
    """While the engine runs, a key that was made for it lies in a file."""
    if not key.made or key.value is None:
        yield
        return
    path = write_key(key.value, port)
    try:
        tell(f"midfill-engine: the API key is in {path}")
        yield
    finally:
        _withdraw(path, key.value + "\n")


def bind(config: ServerConfig) -> socket.socket:
    """A listening socket.

    Raises:
        StartError: the address is in use or not ours; names the port and the remedy.
    """
    if not config.host:  # every address, to a socket
        raise StartError("--host is empty: name an address, such as 127.0.0.1")
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY on what it accepts; without it, every
    # reply and every event waits up to 40 ms for the client's delayed acknowledgement.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((config.host, config.port))
        sock.listen(128)
        sock.set_inheritable(False)
    except (OSError, UnicodeError) as error:  # UnicodeError: no such name can exist
        sock.close()
        raise StartError(_bind_failure(config, error)) from error
    return sock


def _bind_failure(config: ServerConfig, error: Exception) -> str:
    code = getattr(error, "errno", None)
    if code == errno.EADDRINUSE:
        return (
            f"port {config.port} on {config.host} is in use: stop what listens there, "
            "or choose another with --port (0 takes a free one)"
        )
    if code == errno.EACCES:
        return f"port {config.port} needs more rights: choose one above 1023 with --port"
    reason = getattr(error, "strerror", None) or str(error)
    return f"cannot listen on {config.host} port {config.port} ({reason}): check --host and --port"


class EngineServer(uvicorn.Server):
    """uvicorn on a socket of ours, which ends its streams when it ends."""

    def __init__(
        self,
        models: Models,
        config: ServerConfig,
        api_key: str | None,
        url: str,
        tell: Callable[[str], None],
        admin: ModelAdmin | None = None,
    ) -> None:
        """Prepare; `run` serves."""
        self._models = models
        self._live: LiveStreams = models.live
        names = ", ".join(served.model_id for served in models.served)
        self._line = f"midfill-engine: {names} at {url}"
        name = models.default.model_id
        ready = {"pid": os.getpid(), "url": url, "model": name, "version": version()}
        self._ready_text = json.dumps(ready) + "\n"
        self._ready_file: Path | None = config.ready_file
        self._tell = tell
        self._failure: EngineError | None = None
        leases = Leases(
            models.live,
            unused_s=config.exit_when_unused_s,
            first_lease_s=config.first_lease_s,
            on_unused=self._end_unused,
        )
        app: Starlette = build_app(
            models,
            host=config.host,
            api_key=api_key,
            allow_origins=config.allow_origins,
            leases=leases,
            admin=admin,
        )
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                log_config=None,
                lifespan="on",
                # Named, so that other packages that happen to be installed change nothing. uvloop
                # gains 1 to 3 % of whole replies and loses as much of streams.
                http=BoundedHttp,
                loop="asyncio",
                ws="none",
                server_header=False,
                timeout_keep_alive=config.keep_alive_s,
                timeout_graceful_shutdown=config.shutdown_s,
            )
        )

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until the end.

        Raises:
            StartError: the ready file cannot be written.
            EngineDied: an engine thread has died.
        """
        super().run(sockets)
        if self._failure is not None:  # raised here: out of the event loop it leaves a traceback
            raise self._failure

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept, then say so.

        Without a ready file that was asked for, or with an engine thread that has died by now, end
        at once: then the start has failed.
        """
        self._live.ending = False  # a loaded model may be served again
        await super().startup(sockets)
        self._failure = self._death()
        if self._failure is not None:
            self.should_exit = True
            return
        if self._ready_file is not None:
            try:
                write_private(self._ready_file, self._ready_text)
            except OSError as error:
                place = f"the ready file {self._ready_file} ({error.strerror})"
                self._failure = StartError(f"cannot write {place}: check --ready-file")
                self.should_exit = True
                return
        self._tell(self._line)

    async def on_tick(self, counter: int) -> bool:
        """Whether to end, asked ten times a second: also where an engine thread has died.

        Whoever started us starts another, which can answer again.
        """
        death = self._death()
        if death is not None:
            self._failure = death
            return True
        return await super().on_tick(counter)

    def _death(self) -> EngineDied | None:
        failures = (served.engine.failure for served in self._models.served)
        return next((EngineDied(failure) for failure in failures if failure is not None), None)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Withdraw the ready file, end every open reply, then stop.

        One that died leaves the file, by which language servers tell a crash.
        """
        if self._ready_file is not None and not isinstance(self._failure, EngineDied):
            _withdraw(self._ready_file, self._ready_text)
        self._live.end_all()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals end the server; unlike uvicorn's own, they are not raised again."""
        handled = (signal.SIGINT, *ending_signals())
        try:
            before = {sig: signal.signal(sig, self.handle_exit) for sig in handled}
        except ValueError:  # not in the main thread, as in tests
            before = {}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    def _end_unused(self) -> None:
        logger.info("no lease is open any more: the engine ends")
        self.should_exit = True


def _withdraw(path: Path, text: str) -> None:
    """Remove a file of ours, unless another engine has written its own there by now."""
    try:
        if path.read_text(encoding="utf-8") == text:
            path.unlink()
    except (OSError, ValueError) as error:
        logger.debug("cannot remove %s: %s", path.name, type(error).__name__)
