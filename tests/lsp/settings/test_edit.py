"""`midfill config`: settings shown, checked, and changed in a file whose comments stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from midfill_lsp.cli import main
from midfill_lsp.settings.files import user_file

WRITTEN = """# mine
[completion]  # how
mode = "line"  # short
debounceMs = 5

[engine]
model = "starter"
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIDFILL_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return user_file()


def test_set_makes_the_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "set", "completion.debounceMs", "60"]) == 0
    assert file.read_text() == "[completion]\ndebounce_ms = 60\n"
    assert file.stat().st_mode & 0o077 == 0
    assert capsys.readouterr().out == f"completion.debounce_ms = 60 in {file}\n"
    assert main(["config", "path"]) == 0
    assert capsys.readouterr().out == f"{file}\n"


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("completion.mode", "block", 'mode = "block"  # short'),
        ("completion.debounce_ms", "auto", 'debounce_ms = "auto"'),
        ("completion.debounce_ms", "7", "debounce_ms = 7"),
        ("completion.disabled_languages", "markdown, text", '["markdown", "text"]'),
        ("completion.disabled_languages", '["c"]', 'disabled_languages = ["c"]'),
        ("completion.enabled", "false", "enabled = false"),
        ("engine.start_timeout_s", "5", "start_timeout_s = 5"),
        ("engine.model", "a/b", 'model = "a/b"'),
        ("midfill.engine.url", "http://x", 'url = "http://x"'),
        ("engine.command", '["a", "b c"]', 'command = ["a", "b c"]'),
    ],
)
def test_set_keeps_the_comments(file: Path, key: str, value: str, line: str) -> None:
    file.parent.mkdir()
    file.write_text(WRITTEN)
    assert main(["config", "set", key, value]) == 0
    text = file.read_text()
    assert line in text
    assert text.startswith("# mine\n[completion]  # how\n")
    assert ("debounceMs" in text) == (key != "completion.debounce_ms")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["set", "completion.mode", "word"], "completion.mode: expected one of auto, line, block"),
        (["set", "completion.cache_entries", "0"], "a whole number from 1 to 10000, got 0"),
        (["set", "completion.modd", "line"], "unknown setting completion.modd; did you mean"),
        (["set", "completion", "1"], "completion is a group; name one of its settings, such as"),
        (["set", "nonsense", "1"], "unknown setting nonsense; there are: engine"),
        (["set", "engine.api_key_file", "~nosuchuser/k"], "a path that begins in a home folder"),
    ],
)
def test_what_is_wrong_changes_nothing(
    file: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main(["config", *words]) == 1
    assert told in capsys.readouterr().err
    assert not file.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["set", "completion.mode"], "takes a KEY and a VALUE"),
        (["unset"], "takes a KEY"),
        (["show", "x"], "takes no more words"),
    ],
)
def test_a_wrong_number_of_words_is_a_wrong_command_line(
    capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main(["config", *words]) == 2
    assert told in capsys.readouterr().err


def test_a_relative_path_begins_here(file: Path, tmp_path: Path) -> None:
    assert main(["config", "set", "engine.api_key_file", "key"]) == 0
    assert f'api_key_file = "{tmp_path}/key"' in file.read_text()


@pytest.mark.parametrize("folder", ["./mine", "mine", "../{here}/mine"])
def test_a_models_folder_begins_here(file: Path, tmp_path: Path, folder: str) -> None:
    """It was written as it was given, and no engine found it."""
    (tmp_path / "mine").mkdir()
    given = folder.format(here=tmp_path.name)
    assert main(["config", "set", "engine.model", given]) == 0
    assert f'model = "{tmp_path}/mine"' in file.read_text()


@pytest.mark.parametrize("action", ["show", "check"])
@pytest.mark.parametrize("name", ["nowhere", "a-file"])
def test_a_workspace_that_is_no_folder_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, action: str, name: str
) -> None:
    (tmp_path / "a-file").touch()
    assert main(["config", action, "--workspace", name]) == 1
    assert f"--workspace: {tmp_path}/{name} is no folder" in capsys.readouterr().err


def test_unset(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.parent.mkdir()
    file.write_text(WRITTEN)
    assert main(["config", "unset", "completion.debounce_ms"]) == 0
    assert "debounceMs" not in file.read_text()
    assert "# short" in file.read_text()
    assert main(["config", "unset", "completion.debounce_ms"]) == 1
    assert "is not set" in capsys.readouterr().out


def test_show_and_check(file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file.parent.mkdir()
    file.write_text(WRITTEN)
    (tmp_path / "midfill.toml").write_text("[engine]\nurl = 'http://x'\n")
    assert main(["config", "show", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["settings"]["completion.mode"] == {"value": "line", "from": f"{file}:3"}
    assert shown["settings"]["engine.url"] == {"value": None, "from": "default"}
    assert main(["config"]) == 0
    assert f'"line"    # {file}:3\n' in capsys.readouterr().out
    assert main(["config", "check"]) == 1
    assert capsys.readouterr().out.startswith(f"{tmp_path}/midfill.toml:2: engine.url may not")
    (tmp_path / "midfill.toml").unlink()
    assert main(["config", "check"]) == 0


def test_a_broken_file_is_left_alone(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.parent.mkdir()
    file.write_text("[completion\n")
    assert main(["config", "set", "completion.mode", "line"]) == 1
    assert "mend it first" in capsys.readouterr().err
    assert file.read_text() == "[completion\n"


def test_a_link_stays_one(file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    (tmp_path / "dotfiles.toml").write_text(WRITTEN)
    file.symlink_to(tmp_path / "dotfiles.toml")
    assert main(["config", "set", "completion.mode", "auto"]) == 0
    assert file.is_symlink()
    assert 'mode = "auto"  # short' in (tmp_path / "dotfiles.toml").read_text()


def test_a_byte_order_mark_is_no_error(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(WRITTEN, encoding="utf-8-sig")
    assert main(["config", "check"]) == 0
    assert main(["config", "set", "completion.mode", "block"]) == 0
    assert file.read_text() == WRITTEN.replace('"line"', '"block"')


@pytest.mark.parametrize(
    "words", [["set", "completion.enabled", "true"], ["unset", "completion.enabled"]]
)
def test_a_group_that_is_none_is_told(
    file: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    file.parent.mkdir()
    file.write_text("completion = true\n")
    assert main(["config", *words]) == 1
    assert "completion is no group of settings; mend it first" in capsys.readouterr().err
