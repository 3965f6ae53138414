"""What the command line refuses, and how: in this process, without an engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from midfill_lsp.cli import main
from midfill_lsp.cli.find_editors import describe_neovim
from midfill_lsp.cli.options import add_engine_options, read_config, write_options
from midfill_lsp.cli.samples import load
from midfill_lsp.config import Config
from midfill_lsp.engine_process import command
from midfill_lsp.errors import ConfigError


@pytest.fixture
def sample(tmp_path: Path) -> str:
    path = tmp_path / "add.py"
    path.write_text("def add(a, b):\n    return \n# 🙂é\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["nonsense"], 2, "invalid choice: 'nonsense'"),
        (["lsp", "--device", "tpu"], 2, "invalid choice: 'tpu'"),
        (["chat", "--max-tokens", "0"], 2, "'0' is not a number from 1 on"),
        (["complete", "FILE", "--line", "x", "--character", "0"], 2, "invalid int value: 'x'"),
        (["complete", "FILE", "--line", "1"], 2, "required: --character"),
        (["complete", "/nowhere.py", "--line", "0", "--character", "0"], 1, "No such file"),
        (["complete", "/", "--line", "0", "--character", "0"], 1, "Is a directory"),
        (["complete", "FILE", "--line", "9", "--character", "0"], 1, "line 9 does not exist"),
        (["complete", "FILE", "--line", "-1", "--character", "0"], 1, "line -1 does not exist"),
        (["complete", "FILE", "--line", "1", "--character", "99"], 1, "0 to 11"),
        (
            ["complete", "FILE", "--line", "2", "--character", "3", "--encoding", "utf-16"],
            1,
            "inside a character",
        ),
        (["models", "--engine-url", "nonsense"], 1, "'nonsense' is not a URL"),
    ],
)
def test_errors_are_one_line(
    capsys: pytest.CaptureFixture[str], sample: str, arguments: list[str], status: int, words: str
) -> None:
    got = main([sample if argument == "FILE" else argument for argument in arguments])
    out, err = capsys.readouterr()
    assert (got, out) == (status, "")
    assert err.startswith("midfill: error: ")
    assert words in err
    assert err.count("\n") == 1


def test_binary_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"\xff\xfe")
    assert main(["complete", str(tmp_path / "data"), "--line", "0", "--character", "0"]) == 1
    assert "is not UTF-8 text" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"midfill {command.version()}\n"


def test_no_command_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "doctor" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["serve", "--port", "0"], ["serve"]])
def test_serve_without_the_engine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr("midfill_lsp.cli.serve.missing_modules", lambda: ("tokenizers",))
    assert main(arguments) == 1
    assert 'pip install "midfill[engine]"' in capsys.readouterr().err


def test_options_go_there_and_back(tmp_path: Path) -> None:
    import argparse

    parser = argparse.ArgumentParser()
    add_engine_options(parser)
    assert read_config(parser.parse_args([])) == Config()
    given = ["--model", str(tmp_path), "--engine-url", "http://x", "--api-key-file", "k"]
    given += ["--device", "cpu", "--engine-command", "a 'b c'"]
    given += ["--backend", "openai", "--backend-url", "http://y/v1", "--backend-model", "m"]
    given += ["--token-file", "t", "--token-variable", "NAME", "--ca-file", "ca.pem"]
    given += ["--fim-family", "qwen"]
    options = parser.parse_args(given)
    config = read_config(options)
    assert config.engine.command == ("a", "b c")
    assert config.backend.fim_family == "qwen"
    assert read_config(parser.parse_args(write_options(options))) == config


def test_files_mean_the_same_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`midfill lsp` runs in the folder of temporary files, and looked for them there."""
    import argparse

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    parser = argparse.ArgumentParser()
    add_engine_options(parser)
    given = ["--api-key-file", "k", "--token-file", "~/t", "--ca-file", "~nosuchuser/ca"]
    given += ["--model", "m" * 300]  # too long for a file's name: a Hub id, or a mistake
    options = parser.parse_args(given)
    assert write_options(options) == [
        *("--model", "m" * 300),
        *("--api-key-file", f"{tmp_path}/k"),
        *("--token-file", "/home/me/t"),
        *("--ca-file", "~nosuchuser/ca"),
    ]
    with pytest.raises(ConfigError, match="a path that begins in a home folder that exists"):
        read_config(options)


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (["config", "show"], "MIDFILL_CONFIG_DIR"),
        (["config", "set", "completion.mode", "line"], "MIDFILL_CONFIG_DIR"),
        (["doctor"], "MIDFILL_CONFIG_DIR"),
        (["stats"], "MIDFILL_STATE_DIR"),
        (["explain"], "MIDFILL_STATE_DIR"),
    ],
)
def test_no_home_folder(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variable: str,
) -> None:
    """As in `docker run -u 12345`: no HOME, and no entry for this user."""
    pwd = pytest.importorskip("pwd")

    def unknown(_uid: int) -> None:
        raise KeyError

    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", variable):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("midfill: error: no home folder is known for the s")
    assert err.endswith(f": set HOME, or {variable} to a folder\n")


def test_options_are_laid_over_the_users_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import argparse

    monkeypatch.setenv("MIDFILL_CONFIG_DIR", str(tmp_path))
    written = "[engine]\nmodel = 'mine'\ndevice = 'cpu'\nmodle = 1\n"
    (tmp_path / "midfill.toml").write_text(written)
    parser = argparse.ArgumentParser()
    add_engine_options(parser)
    config = read_config(parser.parse_args(["--model", "other"]))
    assert (config.engine.model, config.engine.device) == ("other", "cpu")
    told = capsys.readouterr().err
    assert told.startswith(f"midfill: warning: {tmp_path}/midfill.toml:4: unknown setting")
    with pytest.raises(ConfigError, match=r"midfill\.engine\.url: expected a text"):
        read_config(parser.parse_args(["--engine-url", ""]))


def test_samples_have_one_caret() -> None:
    for sample in load():
        assert "‸" not in sample.text
        assert 0 < sample.offset < len(sample.text)


@pytest.mark.parametrize(
    ("line", "state"),
    [("NVIM v0.12.0", "ok"), ("NVIM v0.11.5", "missing"), ("NVIM v1.0", "ok"), ("", "missing")],
)
def test_neovim(line: str, state: str) -> None:
    assert describe_neovim(line).state == state


def test_start_is_light() -> None:
    """`midfill lsp` starts the engine before it imports anything heavy."""
    heavy = "{'asyncio.runners', 'pygls', 'httpx', 'rich', 'lsprotocol'}"
    code = (
        "import sys, midfill_lsp.cli, midfill_lsp.cli.lsp, midfill_lsp.engine_process.start; "
        f"print(sorted({heavy} & set(sys.modules) - {{'asyncio.runners'}}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_language_server_stays_light(tmp_path: Path) -> None:
    """Of what is installed for the engine, the terminal and the tests it imports nothing."""
    command = [sys.executable, "-X", "importtime", "-m", "midfill_lsp.cli", "lsp"]
    done = subprocess.run(
        [*command, "--no-early-start"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MIDFILL_STATE_DIR": str(tmp_path)},
    )
    assert done.returncode == 1, "it was not shut down"
    lines = (line.rpartition("|")[2] for line in done.stderr.splitlines())
    imported = {line.strip().partition(".")[0] for line in lines}
    assert {"pygls", "httpx"} <= imported
    assert not imported & {"torch", "numpy", "transformers", "tokenizers", "rich", "pygments"}
