"""Commands without a folder, a stdin, a reader of their output, or a server that can be started."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from midfill_lsp.cli import doctor, main
from midfill_lsp.cli.editor import Editor
from midfill_lsp.cli.finding import Finding
from midfill_lsp.cli.rpc import ServerFailed

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has none of this")


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder that somebody has removed."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.setenv("MIDFILL_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(folder)
    folder.rmdir()
    return folder


def status_and_errors(words: list[str], stdout: int) -> tuple[int, str]:
    """Run a command with Python's usual buffer of stdout."""
    done = subprocess.run(
        [sys.executable, "-m", "midfill_lsp.cli", *words],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    return done.returncode, done.stderr


@POSIX
@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize(
    "words",
    [
        ["config", "show"],
        ["config", "check"],
        ["config", "set", "engine.api_key_file", "key"],
        ["chat", "-c", "Hello"],
        ["chat", "--token-file", "token"],
    ],
)
def test_a_current_folder_that_is_gone(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """It was a traceback."""
    assert main(words) == 1
    told = "the current folder no longer exists: change to another"
    assert capsys.readouterr() == ("", f"midfill: error: {told}\n")


@POSIX
@pytest.mark.usefixtures("gone")
def test_doctor_goes_on_without_a_workspace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def found(_config: object) -> list[Finding]:
        return [Finding("engine", "ok", "answered")]

    monkeypatch.setattr(doctor, "find_engine", found)
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert "the current folder no longer exists" in told
    assert "> change to another" in told
    assert "answered" in told


def test_chat_without_a_stdin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`midfill chat <&-` was a traceback; it is the end of the questions."""
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["chat"]) == 0
    assert capsys.readouterr() == ("", "")


async def test_a_server_that_cannot_be_started_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(ServerFailed, match=r"the language server cannot be started: .*absent"):
        async with Editor():
            pass


@POSIX
@pytest.mark.parametrize(
    "words",
    [["config", "show"], ["config", "path"], ["--help"], ["config", "--help"], ["--version"]],
)
def test_output_that_nobody_reads_is_no_noise(words: list[str]) -> None:
    """Python flushed it at exit: its own complaint, and status 120."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert status_and_errors(words, writer) == (1, "")
    finally:
        os.close(writer)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
@pytest.mark.parametrize("words", [["config", "show"], ["--help"]])
def test_output_that_does_not_fit_is_one_line(words: list[str]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        status, told = status_and_errors(words, full)
    finally:
        os.close(full)
    assert status == 1
    assert told.startswith("midfill: error: the output cannot be written: ")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError(errno.ENOENT, "none", "a.py"), OSError(errno.ENOSPC, "full", "a.py")],
)
def test_other_errors_of_the_system_are_not_the_outputs(
    monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def fail(_words: object) -> int:
        raise error

    monkeypatch.setattr(sys.modules["midfill_lsp.cli.main"], "_run", fail)
    with pytest.raises(OSError, match=r"a\.py"):
        main([])
