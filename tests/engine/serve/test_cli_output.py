"""The engine's command line where its output goes nowhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def engine_with_output(stdout: int, *words: str) -> tuple[int, str]:
    """Runs the command with Python's usual buffer; returns status and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "midfill_engine.cli", *words],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="its pipes break otherwise")
@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_output_that_nobody_reads_is_no_noise(words: list[str]) -> None:
    """Python flushed it at exit: its own complaint, and status 120."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert engine_with_output(writer, *words) == (1, "")
    finally:
        os.close(writer)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
def test_output_that_does_not_fit_is_one_line() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        status, told = engine_with_output(full, "--version")
    finally:
        os.close(full)
    assert status == 2
    assert told.startswith("midfill-engine: error: the output cannot be written: ")
    assert told.count("\n") == 1
