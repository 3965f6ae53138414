"""The real engine, at a pace that a test sets: `python paced_engine.py serve ...`.

The file `MIDFILL_TEST_PACE`, where it is there, holds the seconds that each model step takes at
least; so a test sees a suggestion grow whatever the machine.
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


def paced_run(self: Runner, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # passed on
    """Run a step, not before its time."""
    pace = Path(os.environ["MIDFILL_TEST_PACE"])
    if pace.exists():
        time.sleep(float(pace.read_text()))
    return real_run(self, *args, **kwargs)


if __name__ == "__main__":
    Runner.run = paced_run  # type: ignore[method-assign]
    sys.exit(main(sys.argv[1:]))
