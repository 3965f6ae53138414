"""What stands in a model's folder under a file's name and is no such file is refused at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from midfill_engine import small_file
from midfill_engine.errors import ModelError
from midfill_engine.model.checkpoint import FolderCheckpoint
from midfill_engine.model.spec import read_config
from midfill_engine.small_file import MAX_BYTES, read_text
from midfill_engine.text.chat_source import ChatSource
from midfill_engine.text.infill_defaults import InfillDefaults
from midfill_engine.text.special_ids import SpecialIds
from midfill_engine.text.tokenizer import Tokenizer

_READERS: list[tuple[str, Callable[[Path], object]]] = [
    ("config.json", read_config),
    ("tokenizer.json", Tokenizer.load),
    ("model.safetensors.index.json", FolderCheckpoint.open),
    ("tokenizer_config.json", ChatSource.read),
    ("special_tokens_map.json", ChatSource.read),
    ("additional_chat_templates/other.jinja", ChatSource.read),
    ("generation_config.json", lambda folder: SpecialIds.read(folder, {}, lambda _: None)),
    ("infill.json", lambda folder: InfillDefaults.read(folder, None)),
]


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)


@pytest.mark.skipif(os.name != "posix", reason="has no such files")
@pytest.mark.parametrize(
    ("place", "words"),
    [(_pipe, "not a regular file"), (_device, "not a regular file"), (_too_large, "over 64 MB")],
)
@pytest.mark.parametrize(("name", "read"), _READERS)
def test_every_reader_names_it(
    tmp_path: Path,
    name: str,
    read: Callable[[Path], object],
    place: Callable[[Path], None],
    words: str,
) -> None:
    """The engine waited without an end, and said nothing."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    place(path)
    with pytest.raises(ModelError) as caught:
        read(tmp_path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="has no such files")
def test_a_size_that_is_not_told_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path("/proc/self/status")
    assert path.stat().st_size == 0
    assert "Name:" in read_text(path)
    monkeypatch.setattr(small_file, "MAX_BYTES", 4)
    with pytest.raises(ValueError, match="over"):
        read_text(path)


def test_line_ends_are_read_as_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "chat_template.jinja"
    path.write_bytes("a\r\né".encode())
    assert read_text(path) == "a\né"
