"""What a measurement says where it cannot be done: one line with the cause, and no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from bench import engine, kernels, startup
from bench.startup import last_line

from midfill_engine.kernels.library import Library
from midfill_engine.model.spec import ModelSpec


def test_the_cause_of_a_failed_contender_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What its process had said was dropped."""

    def run(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "Traceback ...\nModelError: int9\n")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["engine.py", "--pairs", "midfill:int9"])
    assert engine.main() == 1
    assert capsys.readouterr().err == "bench/engine.py: midfill:int9: ModelError: int9\n"


def test_a_model_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["engine.py", "--model", str(tmp_path / "typo")])
    assert engine.main() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bench/engine.py: model ")


@pytest.mark.e2e
def test_an_engine_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIDFILL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "argv", ["startup.py", "--model", str(tmp_path / "typo")])
    assert startup.main() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bench/startup.py: the engine did not start: midfill-engine: error: ")


def test_the_last_line_of_nothing() -> None:
    assert last_line("a\nb\n\n") == "b"
    assert last_line("\n") == "it said nothing"


class TwoSets(Library):
    """Runs nothing; says what it could run on."""

    def __init__(self) -> None:
        """Open nothing."""

    def instruction_sets(self) -> tuple[str, ...]:
        return ("avx2", "scalar")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--contexts", "100000"], "beyond the model's end at 4096"),
        (["--contexts", "4090"], "beyond the model's end at 4096"),  # with 16 rows
        (["--prefill", "5000"], "--prefill 5000 goes beyond the model's end at 4096"),
        (["--sets", "avx9"], "--sets avx9: here it can be avx2, scalar"),
        (["--contexts", "4080", "--prefill", "4096", "--sets", "scalar"], None),
    ],
)
def test_steps_beyond_the_model_s_end_are_not_measured(
    arguments: list[str], told: str | None
) -> None:
    """They were measured at its end, under the name of what was asked for."""
    spec = ModelSpec.from_config(kernels.QWEN2_HALF_B)
    found = kernels.misfit(kernels.parse(arguments), spec, TwoSets())
    assert found is None if told is None else found is not None and told in found


def test_kinds_are_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        kernels.parse(["--kinds", "int9"])
    assert "int9" in capsys.readouterr().err
