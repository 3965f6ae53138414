"""`midfill.toml`: found, read, changed, told with its lines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from midfill_lsp.errors import ConfigError
from midfill_lsp.settings import files
from midfill_lsp.settings.sources import Sources


@pytest.fixture
def user_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIDFILL_CONFIG_DIR", str(tmp_path / "config"))
    (tmp_path / "config").mkdir()
    return files.user_file()


def test_the_usual_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MIDFILL_CONFIG_DIR")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert files.user_file().name == "midfill.toml"
    assert files.user_file().parent.name == "midfill"
    if os.name == "posix" and os.uname().sysname == "Linux":
        assert files.user_file() == tmp_path / "midfill" / "midfill.toml"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[completion\n", ":1: this is not TOML: "),
        (b"\n\n[completion]\nmode = line\n", ":4: this is not TOML: "),
        (b"mode = 'a'\nmode = 'b'\n", ":2: this is not TOML: "),
        (b"a = " + b"1" * 5000, ": this is not TOML: Exceeds the limit"),
        (b"a = \xff\n", ": not UTF-8"),
        (b"#" * 300_000, ": 300,000 bytes, over"),
        (b"a = " + b"[" * 100_000, ": this is not TOML: nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(user_file: Path, content: bytes, told: str) -> None:
    user_file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        files.read_layer(user_file)
    assert str(caught.value).startswith(f"{user_file}{told}")
    assert Sources().settled().problems == (str(caught.value),)


def test_a_pipe_is_no_file(user_file: Path) -> None:
    os.mkfifo(user_file)
    with pytest.raises(ConfigError, match="not a file"):
        files.read_layer(user_file)


def test_no_file_and_windows_line_ends(user_file: Path) -> None:
    assert files.read_layer(user_file) is None
    user_file.write_bytes(b"\xef\xbb\xbf[completion]\r\nmode = 'line'\r\n")
    layer = files.read_layer(user_file)
    assert layer is not None
    assert layer.values == {"completion": {"mode": "line"}}
    assert layer.lines == {"completion": 1, "completion.mode": 2}


def test_lines_of_every_way_to_write_a_key() -> None:
    text = 'a.b = 1\n[ c ]\n"d" = 2  # e = 3\n  f=4\n[g."h"]\ni = [\n]\n'
    assert files.find_lines(text) == {"a.b": 1, "c": 2, "c.d": 3, "c.f": 4, "g.h": 5, "g.h.i": 6}


@pytest.mark.parametrize("text", [" " * 256_000 + "#", "a " * 128_000 + "#", "[" * 256_000])
def test_lines_of_a_long_line(text: str) -> None:
    # The time grew with the cube of a line's length: 30 s for 2,000 blanks.
    assert files.find_lines(f"{text}\n{'a' * 1000} = 1\nb = [{' ' * 256_000}]\n") == {
        "a" * 1000: 2,
        "b": 3,
    }


def test_what_the_parser_says_is_short_and_shown(user_file: Path) -> None:
    # It may quote a key, of any length.
    user_file.write_text(f'a = {{"{" " * 100_000}\\u001b" = 1, "{" " * 100_000}\\u001b" = 2}}\n')
    with pytest.raises(ConfigError) as caught:
        files.read_layer(user_file)
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()


def test_the_order_of_the_sources(user_file: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()

    def write(path: Path, debounce_ms: int) -> None:
        path.write_text(f"[completion]\ndebounce_ms = {debounce_ms}\n")

    write(user_file, 1)
    sources = Sources()
    seen = [sources.settled().config.completion.debounce_ms]
    sources = Sources({"completion": {"debounce_ms": 2}})
    seen.append(sources.settled().config.completion.debounce_ms)
    for idx, take in enumerate((sources.set_handshake, sources.set_editor)):
        take({"completion": {"debounceMs": 3 + idx}})
        seen.append(sources.settled().config.completion.debounce_ms)
    write(second / "midfill.toml", 5)
    sources.set_folders([first, second])
    seen.append(sources.settled().config.completion.debounce_ms)
    write(first / "midfill.toml", 6)
    sources.refresh()
    seen.append(sources.settled().config.completion.debounce_ms)
    assert seen == [1, 2, 3, 4, 5, 6]
    assert sources.own().completion.debounce_ms == 2


def test_a_changed_file_is_read_and_a_broken_one_stays_as_it_was(
    user_file: Path, tmp_path: Path
) -> None:
    sources = Sources()
    assert not sources.have_changed()
    user_file.write_text("[engine]\nmodel = 'mine'\n")
    assert sources.have_changed()
    sources.refresh()
    assert not sources.have_changed()
    assert sources.own().engine.model == "mine"
    user_file.write_text("[engine\n")
    sources.refresh()
    assert sources.settled().config.engine.model == "mine"
    assert len(sources.settled().problems) == 1
    user_file.unlink()
    sources.refresh()
    assert sources.settled().config.engine.model == "starter"
    assert sources.settled().problems == ()
    (tmp_path / "midfill.toml").write_text("[completion]\nmode = 'line'\n")
    sources.set_folders([tmp_path])
    assert sources.settled().config.completion.mode == "line"
    sources.set_folders([])
    assert sources.settled().config.completion.mode == "auto"
