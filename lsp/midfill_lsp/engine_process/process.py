"""Is a process alive, and how to end it. Knows no engine. Called by `start` and `shared`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

_END_TIMEOUT_S = 5.0

if sys.platform == "win32":
    import ctypes

    def is_alive(pid: int) -> bool:
        """Return whether a process with this id runs (`os.kill(pid, 0)` would end it here)."""
        query_limited, still_active = 0x1000, 259
        handle = ctypes.windll.kernel32.OpenProcess(query_limited, False, pid)
        if not handle:
            return False
        code = ctypes.c_ulong()
        known = ctypes.windll.kernel32.GetExitCodeProcess(handle, ctypes.byref(code))
        ctypes.windll.kernel32.CloseHandle(handle)
        return bool(known) and code.value == still_active

else:

    def is_alive(pid: int) -> bool:
        """Return whether a process of this user with this id runs.

        One that waits to be reaped does not, and another user's is not the one that had the id.
        """
        if pid <= 0:
            return False
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return not _is_zombie(pid)

    def _is_zombie(pid: int) -> bool:
        # Only Linux tells without a subprocess. It matters there: a container's first
        # process often reaps nobody, and an engine whose starter was killed stays a zombie.
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return False
        return stat.rpartition(b")")[2].split()[:1] == [b"Z"]


def end(pid: int, *, force: bool = False) -> None:
    """Ask a process to end, or kill it; one that is gone already is fine."""
    if pid <= 0:
        return
    how = signal.SIGTERM
    if force and sys.platform != "win32":
        how = signal.SIGKILL
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, how)


def end_and_wait(pid: int) -> None:
    """End a process, by force if it does not go by itself; blocks some seconds at most."""
    for force in (False, True):
        end(pid, force=force)
        wait(pid)


def wait(pid: int) -> None:
    """Wait for a process that is ending; blocks some seconds at most."""
    deadline = time.monotonic() + _END_TIMEOUT_S
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)  # it is not our child: there is nothing to wait on


def spawn_detached(argv: list[str], *, cwd: Path, env: dict[str, str], log_file: Path) -> int:
    """Start a process that outlives this one, and return its id.

    Its output goes to `log_file` and its input is empty. While this process lives, a thread
    waits for it, so that it never stays behind as a zombie.

    Raises:
        OSError: the program cannot be run.
    """
    with log_file.open("ab") as log:
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                creationflags=flags,
            )
        else:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    # A daemon thread: it must not keep the language server alive.
    threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
    return process.pid
