"""Downloads from a server that behaves as the Hub does, through huggingface_hub itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants

from midfill_engine import cli
from midfill_engine.errors import ModelError
from midfill_engine.model import hub
from midfill_engine.model.progress import Stage
from tests.engine.model.fake_hub import Access, FakeHub

FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "model.safetensors": bytes(range(256)) * 1000,
    "pytorch_model.bin": b"not wanted",
    "README.md": b"nor this",
}
WANTED = {"config.json", "tokenizer.json", "model.safetensors"}


@pytest.fixture
def fake_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with FakeHub(dict(FILES)) as fake:
        monkeypatch.setattr(constants, "ENDPOINT", fake.url)
        template = fake.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield fake


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def failure() -> str:
    with pytest.raises(ModelError) as caught:
        hub.plan("owner/name")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_plan_tells_licence_and_sizes_and_downloads_nothing(fake_hub: FakeHub) -> None:
    found = hub.plan("owner/name")
    size = sum(len(FILES[name]) for name in WANTED)
    assert (found.licence, found.gated) == ("apache-2.0", False)
    assert (found.total_bytes, found.missing_bytes) == (size, size)
    assert not any(path.startswith("/cdn/") for _, path, _, _ in fake_hub.seen)


def test_only_what_the_engine_needs_is_fetched_and_only_once(fake_hub: FakeHub) -> None:
    folder = hub.fetch("owner/name")
    assert names(folder) == WANTED
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert hub.plan("owner/name").missing_bytes == 0
    assert hub.fetch("owner/name") == folder
    assert fake_hub.downloads("model.safetensors") == [None]


@pytest.mark.parametrize("call", ["fetch('owner/name')", "plan('owner/name').cache"])
def test_nothing_else_need_have_imported_the_library(
    fake_hub: FakeHub, tmp_path: Path, call: str
) -> None:
    env = {**os.environ, "HF_ENDPOINT": fake_hub.url, "HF_HOME": str(tmp_path / "home")}
    code = f"from midfill_engine.model import hub; print(hub.{call})"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "home") in done.stdout


def test_a_connection_that_breaks_is_taken_up_where_it_broke(
    fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 50_000)
    fake_hub.break_after["model.safetensors"] = 100_000
    folder = hub.fetch("owner/name")
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert fake_hub.downloads("model.safetensors") == [None, "bytes=100000-"]


def test_what_comes_is_told(fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 50_000)
    told: list[tuple[Stage, float]] = []
    hub.fetch("owner/name", lambda stage, share: told.append((stage, share)))
    assert {stage for stage, _ in told} == {"downloading"}
    assert len(told) > len(WANTED)
    assert told[-1][1] == 1.0
    told.clear()
    hub.fetch("owner/name", lambda stage, share: told.append((stage, share)))
    assert told == []


@pytest.mark.parametrize(
    ("access", "words"),
    [
        ("gated", "accept its terms on huggingface.co/owner/name"),
        ("private", "is not on the Hub, or is private"),
        ("bad_token", "the Hub does not know the token"),
        ("forbidden", "the token may not read owner/name"),
    ],
)
def test_a_refusal_is_told_with_its_remedy(fake_hub: FakeHub, access: Access, words: str) -> None:
    fake_hub.access = access
    assert words in failure()


def test_a_gated_model_opens_to_an_accepted_token(
    fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_hub.access = "gated"
    monkeypatch.setenv("HF_TOKEN", "accepted")
    assert hub.plan("owner/name").gated
    assert names(hub.fetch("owner/name")) == WANTED
    sent = {path.startswith("/cdn/"): token for _, path, _, token in fake_hub.seen}
    assert sent == {False: "Bearer accepted", True: None}, "where the files lie it is not sent"


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no safetensors (only .bin)"),
        ("tokenizer.json", "has no tokenizer.json"),
    ],
)
def test_what_cannot_run_is_refused_before_the_download(
    fake_hub: FakeHub, missing: str, words: str
) -> None:
    del fake_hub.files[missing]
    assert words in failure()


def test_a_full_disk_is_told_before_the_download(
    fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_usage(path: Path) -> SimpleNamespace:
        del path
        return SimpleNamespace(free=0)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    assert "make room, or set HF_HOME" in failure()


def test_no_hub_at_all(fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "cannot be fetched from the Hub" in failure()
    with pytest.raises(ModelError) as caught:
        hub.fetch("owner/name")
    told = str(caught.value).partition("(")[2].partition(");")[0]
    assert told.endswith(("...", ".")), "it was cut in the middle of a word"


def test_pull_prints_the_folder_and_its_story(
    fake_hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["pull", "owner/name"]) == 0
    printed = capsys.readouterr()
    assert names(Path(printed.out.strip())) == WANTED
    assert "owner/name: licence apache-2.0" in printed.err
    assert "midfill-engine serve --model owner/name" in printed.err


def test_pull_refuses_what_is_no_hub_id() -> None:
    command = [sys.executable, "-m", "midfill_engine.cli", "pull", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "'nowhere' is not a Hub id" in done.stderr
