"""Running `midfill` as a subprocess."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass

_TIMEOUT_S = 40.0


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str


async def midfill(*arguments: str, stdin: str = "", **variables: str) -> Done:
    """Run a command to its end, with `variables` in its environment."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "midfill_lsp.cli",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **variables},
    )
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), _TIMEOUT_S)
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())
