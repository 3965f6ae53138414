"""Settings that change while the server runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from midfill_lsp.backend.base import Backend
from midfill_lsp.config import Config
from midfill_lsp.server.live_settings import LiveSettings, folders_of
from midfill_lsp.server.surroundings import SOURCE_FILES
from midfill_lsp.settings.sources import Sources
from tests.fakes import FakeBackend
from tests.lsp.in_process import InProcess
from tests.lsp.test_engine_watch import FakeNotices

URI, CODE = "file:///add.py", "def add(a, b):\n    return \n"


class Editor:
    """An editor with one workspace folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "midfill.toml"
        self.made: list[Config] = []
        self.wire = InProcess(FakeBackend(), self._make)

    def _make(self, config: Config) -> Backend:
        self.made.append(config)
        return FakeBackend(deltas=["x"])

    async def start(self) -> None:
        capabilities = {"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}}}
        folder = {"uri": self.file.parent.as_uri(), "name": "w"}
        await self.wire.request(
            "initialize",
            {
                "processId": None,
                "rootUri": None,
                "capabilities": capabilities,
                "workspaceFolders": [folder],
            },
        )
        self.wire.notify("initialized", {})
        self.wire.open(URI, CODE)

    async def items(self) -> int:
        return len(await self.wire.complete(URI, 1, 11))

    def write(self, text: str) -> None:
        self.file.write_text(text)
        change = {"uri": self.file.as_uri(), "type": 2}
        self.wire.notify("workspace/didChangeWatchedFiles", {"changes": [change]})

    def messages(self) -> list[str]:
        received = self.wire.received
        return [
            item["params"]["message"]
            for item in received
            if item.get("method") == "window/showMessage"
        ]


async def test_a_workspaces_file_counts_at_once_and_may_do_no_harm(tmp_path: Path) -> None:
    editor = Editor(tmp_path)
    await editor.start()
    assert await editor.items() == 1
    watched = [
        registration["registerOptions"]["watchers"]
        for item in editor.wire.received
        if item.get("method") == "client/registerCapability"
        for registration in item["params"]["registrations"]
    ]
    assert watched == [[{"globPattern": "**/midfill.toml"}, {"globPattern": SOURCE_FILES}]]
    editor.write("[completion]\nenabled = false\n")
    assert await editor.items() == 0
    for _ in range(2):  # told once
        editor.write("[engine]\ncommand = ['sh']\n[completion]\nmode = 3\n")
    assert await editor.items() == 1
    (message,) = editor.messages()
    assert f"{editor.file}:2: engine.command may not be set" in message
    assert f"{editor.file}:4: completion.mode: expected one of auto, line, block" in message
    assert len(editor.made) == 1, "the backend stays"
    editor.write("[completion]\nmode = 'line'\n[engine]\nurl = 'http://x'\n")
    told = await editor.wire.command("midfill.settings")
    assert told["settings"]["completion.mode"] == {"value": "line", "from": f"{editor.file}:2"}
    assert told["settings"]["engine.url"] == {"value": None, "from": "default"}
    assert len(told["problems"]) == 1
    await editor.wire.shut_down()


async def test_other_folders_bring_their_files(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "midfill.toml").write_text("[completion]\nenabled = false\n")
    editor = Editor(tmp_path)
    await editor.start()
    folders = {"added": [{"uri": other.as_uri(), "name": "o"}], "removed": []}
    editor.wire.notify("workspace/didChangeWorkspaceFolders", {"event": folders})
    assert await editor.items() == 0
    await editor.wire.shut_down()


async def test_the_users_file_makes_another_backend_only_where_it_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_CONFIG_DIR", str(tmp_path / "config"))
    (tmp_path / "config").mkdir()
    user_file = tmp_path / "config" / "midfill.toml"
    editor = Editor(tmp_path)
    await editor.start()
    user_file.write_text("[completion]\nmode = 'line'\n")
    editor.write("")
    assert await editor.items() == 1
    assert [config.engine.model for config in editor.made] == ["starter"]
    user_file.write_text("[completion]\nmode = 'line'\n[engine]\nmodel = 'mine'\n")
    editor.write("")
    assert await editor.items() == 1
    assert [config.engine.model for config in editor.made] == ["starter", "mine"]
    await editor.wire.shut_down()


async def test_files_are_looked_at_where_no_editor_tells(tmp_path: Path) -> None:
    changed: asyncio.Queue[Config] = asyncio.Queue()
    waits: asyncio.Queue[asyncio.Event] = asyncio.Queue()

    async def sleep(_seconds: float) -> None:
        over = asyncio.Event()
        waits.put_nowait(over)
        await over.wait()

    sources = Sources()
    sources.set_folders([tmp_path])
    settings = LiveSettings(sources, FakeNotices(), changed.put_nowait, sleep)
    settings.start_watching()
    (await waits.get()).set()
    last = await waits.get()
    assert changed.empty(), "nothing has changed"
    (tmp_path / "midfill.toml").write_text("[completion]\nmode = 'line'\n")
    last.set()
    assert (await changed.get()).completion.mode == "line"
    await settings.aclose()


def test_problems_wait_for_the_editors_section() -> None:
    notices = FakeNotices()
    settings = LiveSettings(Sources(), notices, lambda _config: None)
    settings.handshake({"completion": {"mode": "x"}}, [])
    assert notices.messages == []
    settings.take_section(None)
    assert len(notices.messages) == 1
    settings.refresh()
    assert len(notices.messages) == 1


async def test_a_home_folder_that_does_not_exist_stops_nothing(tmp_path: Path) -> None:
    """`Path.expanduser` raises a RuntimeError, at which `initialize` failed."""
    editor = Editor(tmp_path)
    harm = "[engine]\napi_key_file = '~nosuchuser/x'\n"
    editor.file.write_text(f"[completion]\nmode = 'line'\n{harm}")
    await editor.start()
    assert (await mode(editor))["value"] == "line"
    editor.write(f"[completion]\nmode = 'block'\n{harm}")
    assert (await mode(editor))["value"] == "block"
    await editor.wire.shut_down()


async def mode(editor: Editor) -> dict[str, object]:
    told = await editor.wire.command("midfill.settings")
    facts: dict[str, object] = told["settings"]["completion.mode"]
    return facts


def test_a_folder_of_a_malformed_address_is_none() -> None:
    folders = {"file://[x/y": None, "file:///a%20b": None, "untitled:c": None}
    workspace = SimpleNamespace(folders=folders, root_uri=None)
    server = cast("Any", SimpleNamespace(workspace=workspace))
    assert Path("/a b") in folders_of(server)
