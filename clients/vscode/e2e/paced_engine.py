"""The real engine, at a pace that a test sets: `python paced_engine.py serve ...`.

The file `MIDFILL_TEST_PACE`, where it is there, holds the seconds that each model step takes at
least, and each tensor that is loaded; so a test sees a suggestion grow, and a model come, whatever
the machine.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

from midfill_engine.cli import main
from midfill_engine.exec.runner import Runner
from midfill_engine.model.checkpoint import FolderCheckpoint
from midfill_engine.model.progress import OnProgress, Stage, untold

real_open = FolderCheckpoint.open
real_run = Runner.run


def wait() -> None:
    """Wait as long as the test wants."""
    with contextlib.suppress(FileNotFoundError, ValueError):  # not there, or just being written
        time.sleep(float(Path(os.environ["MIDFILL_TEST_PACE"]).read_text()))


def paced_open(folder: Path, on_progress: OnProgress = untold) -> FolderCheckpoint:
    """Open a checkpoint whose tensors take their time."""

    def tell(stage: Stage, share: float) -> None:
        wait()
        on_progress(stage, share)

    return real_open(folder, tell)


def paced_run(self: Runner, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # passed on
    """Run a step, not before its time."""
    wait()
    return real_run(self, *args, **kwargs)


if __name__ == "__main__":
    FolderCheckpoint.open = paced_open  # type: ignore[method-assign, assignment]
    Runner.run = paced_run  # type: ignore[method-assign]
    Runner.run_ahead = None  # type: ignore[assignment, method-assign]  # a step at a time
    sys.exit(main(sys.argv[1:]))
