"""Where a model comes from: bundled, a folder, or the Hub (faked: no network in tests)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import huggingface_hub
import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from midfill_engine.errors import ModelError
from midfill_engine.model import source
from midfill_engine.model.source import resolve

Raise = Callable[[type[Exception] | Exception], None]


def failure(name: str) -> str:
    with pytest.raises(ModelError) as caught:
        resolve(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folder(tmp_path: Path) -> None:
    assert resolve(str(tmp_path)) == tmp_path


def test_folder_wins_over_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert resolve("owner/name") == Path("owner/name")


def test_starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "STARTER_FOLDER", tmp_path)
    assert "the bundled model is not there" in failure("starter")
    (tmp_path / "config.json").touch()
    assert resolve("starter") == tmp_path


@pytest.mark.parametrize(
    "name",
    ["./nowhere", "/nowhere/at/all", "nowhere", "a/b/c", "a b/c", "", "~nosuchuser/x", "a\0"],
)
def test_neither_folder_nor_hub_id(name: str) -> None:
    assert f"model {name!r} is no folder here, nor a Hub id" in failure(name)


def test_file(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").touch()
    assert "is a file" in failure(str(tmp_path / "model.gguf"))


def test_hub_id_with_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str | None]] = []

    def download(
        repo_id: str, *, revision: str | None, allow_patterns: list[str], tqdm_class: type
    ) -> str:
        calls.append((repo_id, revision))
        assert "*.safetensors*" in allow_patterns
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert resolve("owner/name") == tmp_path
    assert resolve("owner/name@refs/pr/3") == tmp_path
    assert calls == [("owner/name", None), ("owner/name", "refs/pr/3")]


def http_error(kind: type[HfHubHTTPError]) -> HfHubHTTPError:
    request = httpx.Request("GET", "https://hub.invalid")
    response: Any = httpx.Response(404, request=request)  # the Hub's own HTTP library varies
    return kind("first line\nsecond line", response=response)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (http_error(GatedRepoError), "model owner/name is gated"),
        (http_error(RepositoryNotFoundError), "model owner/name is not on the Hub"),
        (http_error(RevisionNotFoundError), "has no revision 'v9'"),
        (http_error(HfHubHTTPError), "cannot be fetched from the Hub (first line second line"),
        (LocalEntryNotFoundError("offline\nmode"), "cannot be fetched from the Hub (offline mode"),
        (HfHubHTTPError.__bases__[0]("no route"), "cannot be fetched from the Hub (no route"),
    ],
)
def test_hub_failures(error: Exception, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert words in failure("owner/name@v9")
