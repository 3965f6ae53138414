"""The signals that end the engine, and what they do while no event loop takes them.

Called by `server`.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn


def ending_signals() -> tuple[signal.Signals, ...]:
    """Those beside SIGINT: SIGTERM, and SIGHUP unless it is ignored, as under nohup."""
    hangs_up = hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    return (signal.SIGTERM, signal.SIGHUP) if hangs_up else (signal.SIGTERM,)


@contextmanager
def unwinding() -> Generator[None]:
    """Here these end the process as SIGINT does, so that the key file is removed."""

    def end(number: int, _frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, end) for number in ending_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
