"""The real engine, whose model steps wait for a test: `python gated_engine.py serve ...`.

Without speculation, whose measurements at the start would be steps too.

The folder `MIDFILL_TEST_GATE` holds `steps` (how many began) and, once the test lets the steps
go, `open`.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from midfill_engine.cli import main
from midfill_engine.exec.runner import Runner

real_run = Runner.run


def gated_run(self: Runner, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # passed on
    folder = Path(os.environ["MIDFILL_TEST_GATE"])
    began = folder / "steps.new"
    began.write_text(str(num_steps(folder) + 1))
    began.replace(folder / "steps")
    while not (folder / "open").exists():  # another process opens the gate
        time.sleep(0.002)
    return real_run(self, *args, **kwargs)


def num_steps(folder: Path) -> int:
    """How many steps the engine of a gate folder has begun."""
    steps = folder / "steps"
    return int(steps.read_text()) if steps.exists() else 0


if __name__ == "__main__":
    Runner.run = gated_run  # type: ignore[method-assign]
    Runner.run_ahead = None  # type: ignore[assignment, method-assign]  # a step at a time
    sys.exit(main([*sys.argv[1:], "--speculation", "off"]))
