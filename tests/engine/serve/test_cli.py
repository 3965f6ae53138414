"""The command line: start-up errors in one line with status 2, the key, signals, the ready file."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from midfill_engine import cli
from midfill_engine.config import EngineConfig, Limits, ModelConfig, ServerConfig
from midfill_engine.errors import StartError
from midfill_engine.exec.threads import num_threads, set_threads
from midfill_engine.serve import keys


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required"),
        (["serve", "--port", "x"], "'x' is not a whole number, 0 to 65535"),
        (["serve", "--port", "70000"], "'70000' is not a whole number"),
        (["serve", "--device", "tpu"], "invalid choice: 'tpu'"),
        (["serve", "--exit-when-unused", "soon"], "'soon' is not a number of seconds"),
        (["serve", "--max-concurrent", "0"], "'0' is not a whole number, at least 1"),
        (["serve", "--max-memory", "2"], "'2' is not a size such as 512MB or 2.5GB"),
        (["serve", "--max-memory", "0GB"], "'0GB' is not a size"),
        (["serve", "--max-memory", "nanGB"], "'nanGB' is not a size"),
        (["info", "--max-memory", "64MB"], "--max-memory 64MB is too little: the process takes"),
        (["serve", "--max-total-tokens", "64"], "--max-total-tokens is now --max-context"),
        (["serve", "--cache-mb=64"], "--cache-mb is now --max-memory SIZE"),
        (["serve", "--max-requests", "4"], "--max-requests is now --max-concurrent"),
        (["serve", "--threads", "0"], "'0' is not a whole number, 1 to 1024"),
        (["serve", "--allow-origin", "foo"], "'foo' is not an origin, scheme://host[:port], such"),
        (["serve", "--allow-origin", "http://a/b"], "'http://a/b' is not an origin"),
        (["serve", "--allow-origin", "http://a:99999"], "'99999' is not a whole number"),
        (["serve", "--allow-origin", "*"], "'*' is not an origin"),
        (["serve", "--allow-origin", "null"], "'null' is not an origin but every page"),
        (["info", "--model", "a", "--model", "b"], "info takes one --model"),
        (["info", "--max-context", "99999"], "99999 is outside the model's context of 4096 tokens"),
        (["serve", "--bogus"], "--bogus"),
        (["serve", "--model", "a b=x"], "'a b=x' is neither a place nor NAME=PLACE"),
        (["serve", "--model", "a="], "'a=' is neither a place nor NAME=PLACE"),
        (["serve", "--model", "a=x", "--model", "a=y"], "two models are named a"),
        (["serve", "--model", "x/a", "--model", "x/a@v2"], "two models are named x/a"),
        (["serve", "--model", "load=x"], "a model cannot be named load"),
        (["serve", "--no-auth", "--host", "0.0.0.0"], "--no-auth on 0.0.0.0"),
        (["serve", "--no-auth", "--api-key-file", "k"], "exclude each other"),
        (["serve", "--api-key-file", "/nonexistent/key"], "cannot read the key file"),
        (["serve", "--host", ""], "--host is empty"),
        (["serve", "--host", "203.0.113.1", "--port", "0"], "cannot listen on 203.0.113.1"),
        (["serve", "--no-auth", "--port", "0", "--model", "/nonexistent"], "/nonexistent"),
        (["info", "--model", "./nothing-here"], "./nothing-here"),
        (["info", "--model", "~nosuchuser/x"], "~nosuchuser/x"),  # once a traceback, as all these
        (["serve", "--no-auth", "--port", "0", "--model", "~nosuchuser/x"], "~nosuchuser/x"),
        (["serve", "--no-auth", "--port", "0", "--model", "~nosuchuser/a=b"], "is neither a place"),
        (["serve", "--no-auth", "--port", "0", "--model", "a" * 5000], "is no folder here"),
    ],
)
def test_a_wrong_start_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    assert cli.main(argv) == 2
    err = capsys.readouterr().err
    assert err.startswith("midfill-engine: error: ")
    assert err.count("\n") == 1
    assert message in err


def test_the_page_lists_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(--[\w-]+)` \| (.*?) \| ", page, re.M))
    with pytest.raises(SystemExit):
        cli.main(["serve", "--help"])
    options = set(re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, re.M))
    assert set(rows) == options
    server, limits = ServerConfig(), Limits()
    assert rows["--model"] == f"`{ModelConfig().source}`"
    assert (rows["--host"], rows["--port"]) == (f"`{server.host}`", f"`{server.port}`")
    assert rows["--max-concurrent"] == f"`{limits.max_concurrent}`"


def test_origins_are_read_as_browsers_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """One with a slash at its end was taken without a word, and never matched."""
    seen: list[EngineConfig] = []

    def run_server(config: EngineConfig, *rest: object) -> None:
        seen.append(config)

    monkeypatch.setattr("midfill_engine.serve.server.run_server", run_server)
    given = {
        "http://localhost:3000/": "http://localhost:3000",
        "HTTPS://Page.Example": "https://page.example",
        "https://page.example:443": "https://page.example",
        "http://[::1]:8080": "http://[::1]:8080",
        "vscode-webview://abc": "vscode-webview://abc",
    }
    words = [word for origin in given for word in ("--allow-origin", origin)]
    assert cli.main(["serve", "--no-auth", *words]) == 0
    assert seen[0].server.allow_origins == tuple(given.values())


def test_a_busy_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["serve", "--no-auth", "--port", str(port)]) == 2
    err = capsys.readouterr().err
    assert f"port {port} on 127.0.0.1 is in use" in err
    assert "--port" in err


def test_torch_is_loaded_behind_the_socket() -> None:
    """A busy port is told at once, not after seconds; an import once brought torch along."""
    code = "import sys, midfill_engine.serve.server; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


@pytest.mark.parametrize("command", ["serve", "info"])
def test_a_context_too_short_to_serve(
    tiny_folder: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Infill has to fit half of it; once such an engine answered 500."""
    argv = [command, "--model", str(tiny_folder), "--max-context", "63"]
    argv += ["--no-auth", "--port", "0"] if command == "serve" else []
    assert cli.main(argv) == 2
    assert "a context of 63 tokens is too short to serve: 64" in capsys.readouterr().err


def test_an_infill_prompt_too_short(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["info", "--model", str(tiny_folder), "--max-infill"]
    assert cli.main([*argv, "47"]) == 2
    error = capsys.readouterr().err
    assert "an infill prompt of 47 tokens is too short: 48 are needed; see --max-infill" in error
    assert cli.main([*argv, "48"]) == 0


def test_several_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[EngineConfig] = []

    def run_server(config: EngineConfig, *rest: object) -> None:
        seen.append(config)

    monkeypatch.setattr("midfill_engine.serve.server.run_server", run_server)
    folder = tmp_path / "odd=name"
    folder.mkdir()
    argv = ["serve", "--no-auth", "--max-memory", "30GB", "--model", "a=starter"]
    assert cli.main([*argv, "--model", "own/er=own/er@v1", "--model", str(folder)]) == 0
    models = [seen[0].model, *seen[0].others]
    assert [(model.name, model.source) for model in models] == [
        ("a", "starter"),
        ("own/er", "own/er@v1"),
        (None, str(folder)),
    ]
    assert [model.max_memory_mb for model in models] == 3 * [30 * 1024]
    assert cli.main(argv[:2]) == 0
    assert seen[1].model == ModelConfig()
    assert not seen[1].others


def test_info(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    argv = ["info", "--model", str(tiny_folder), "--device", "cpu", "--threads", "3"]
    argv += ["--max-memory", "2GB"]
    try:
        assert cli.main(argv) == 0
        assert num_threads() == 3
    finally:
        set_threads(None)
    told = json.loads(capsys.readouterr().out)
    assert (told["model_id"], told["architecture"]) == ("tiny", "LlamaForCausalLM")
    assert told["infill"]["family"] == "codellama"
    assert told["infill"]["heal"] is False
    memory = told["memory"]
    assert memory["limit_mb"] == 2048
    assert sum(memory[f"{part}_mb"] for part in ("process", "weights", "cache", "reserve")) < 2048
    assert memory["slots"] == 32


@pytest.mark.parametrize("command", ["serve", "info"])
def test_a_wrong_infill_file_is_one_line(
    tiny_folder: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    (folder / "infill.json").write_text('{"heel": true}')
    port = ["--port", "0"] if command == "serve" else []
    assert cli.main([command, "--model", str(folder), "--device", "cpu", *port]) == 2
    error = capsys.readouterr().err
    assert "midfill-engine: error: " in error
    assert (
        "infill.json: unknown key 'heel'; the keys are order, heal, line_start, max_tokens" in error
    )


def test_where_the_key_comes_from(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("from-file\n")
    path.chmod(0o600)
    from_file = ServerConfig(api_key_file=path)
    env = {keys.KEY_VARIABLE: " from-env "}
    assert keys.choose_key(from_file, env) == keys.ApiKey("from-file")
    assert keys.choose_key(ServerConfig(), env) == keys.ApiKey("from-env")
    assert keys.choose_key(ServerConfig(no_auth=True), env) == keys.ApiKey(None)
    made = [keys.choose_key(ServerConfig(), {}) for _ in range(2)]
    assert made[0].made
    assert made[0].value != made[1].value
    path.chmod(0o644)
    warning = keys.choose_key(from_file, {}).warning
    assert warning is not None
    assert str(path) in warning
    for content in ("", " \n", "two\nlines", "é", "two words", "\x00"):
        path.write_text(content)
        with pytest.raises(StartError, match="key file"):
            keys.choose_key(from_file, {})


@pytest.mark.parametrize("blank", ["", " ", "\n", "\t \r\n"])
def test_a_blank_key_counts_as_none(blank: str) -> None:
    assert keys.choose_key(ServerConfig(), {keys.KEY_VARIABLE: blank}).made


@pytest.mark.parametrize("key", ["two\nlines", "é", "two words", "\udcff", "a\x01b"])
def test_a_key_that_no_header_can_hold_is_refused(key: str) -> None:
    """A lone byte once ended in a traceback, a line break in a key that nobody could send."""
    with pytest.raises(StartError, match="MIDFILL_API_KEY must hold one key") as raised:
        keys.choose_key(ServerConfig(), {keys.KEY_VARIABLE: key})
    assert key not in str(raised.value)


def test_a_made_key_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = keys.write_key("secret", 4711)
    assert path == tmp_path / "midfill" / "engine-4711.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "secret\n"
    keys.write_key("newer", 4711)
    assert path.read_text() == "newer\n"
    assert len(list(path.parent.iterdir())) == 1


@pytest.fixture
def as_without_nohup() -> Iterator[None]:
    """Programs that are started meanwhile do not inherit that SIGHUP is ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_from_start_to_signal(
    tiny_folder: Path, tmp_path: Path, number: signal.Signals, as_without_nohup: None
) -> None:
    ready = tmp_path / "ready.json"
    argv = [sys.executable, "-m", "midfill_engine.cli", "serve", "--model", str(tiny_folder)]
    argv += ["--port", "0", "--device", "cpu", "--ready-file", str(ready)]
    env = {name: value for name, value in os.environ.items() if name != keys.KEY_VARIABLE}
    env["XDG_STATE_HOME"] = str(tmp_path / "state")
    with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True) as process:
        timer = threading.Timer(60, process.kill)
        timer.start()
        try:
            assert process.stderr is not None
            key_line = process.stderr.readline()
            key_file = Path(key_line.split(" is in ")[1].strip())
            assert key_file.stat().st_mode & 0o777 == 0o600
            # On a busy machine this takes so long that progress is told.
            lines = (line for line in process.stderr if not line.endswith(" %\n"))
            assert "memory: at most" in next(lines)
            assert "tiny at http://127.0.0.1:" in next(lines)
            told = json.loads(ready.read_text())
            assert told["pid"] == process.pid
            headers = {"authorization": f"Bearer {key_file.read_text().strip()}"}
            body: dict[str, object] = {"input_prefix": "a", "input_suffix": "b", "n_predict": -1}
            body["stream"] = True
            body["stop"] = ["never written"]
            with httpx.stream(
                "POST", f"{told['url']}/infill", json=body, headers=headers, timeout=30
            ) as reply:
                events = reply.iter_lines()
                assert next(events).startswith("data: ")
                process.send_signal(number)
                for _ in events:
                    pass
            assert process.wait(30) == 0
        finally:
            timer.cancel()
            process.kill()
    assert not ready.exists()
    assert not key_file.exists()
