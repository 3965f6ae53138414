"""The settings of the moment: from the handshake, the editor and files, changed while we run.

Files are looked at when the editor says that one has changed (where it can watch them), and every
few seconds besides, in a thread: the user's own lies outside of what editors watch.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from midfill_lsp.config import Config
from midfill_lsp.server.notices import Notices
from midfill_lsp.server.raw import members
from midfill_lsp.settings.files import NAME
from midfill_lsp.settings.settle import Settled
from midfill_lsp.settings.sources import Sources

logger = logging.getLogger(__name__)

POLL_S = 3.0
"""A `stat` of one to three files, 20 us: nobody waits for a changed file with a watch in hand."""


class LiveSettings:
    """Settles the sources anew whenever one has changed, and tells each problem once.

    Attributes:
        settled: what holds now; new requests are answered by it.
    """

    def __init__(
        self,
        sources: Sources,
        notices: Notices,
        on_change: Callable[[Config], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Settle what is known before the handshake.

        Args:
            sources: all layers.
            notices: where problems are told.
            on_change: called after the handshake with every new configuration, and with the first.
            sleep: waits between two looks at the files, in seconds.
        """
        self._sources = sources
        self._notices = notices
        self._on_change = on_change
        self._sleep = sleep
        self._told: set[str] = set()
        self._polling: asyncio.Task[None] | None = None
        self.settled: Settled = sources.settled()

    @property
    def config(self) -> Config:
        """The whole tree as it holds now."""
        return self.settled.config

    def handshake(self, section: object, folders: Sequence[Path]) -> None:
        """Take what `initialize` brought. Problems are told with the editor's section."""
        self._sources.set_handshake(members(section))
        self._sources.set_folders(folders)
        self.settled = self._sources.settled()

    def take_section(self, section: object) -> None:
        """Take the editor's `midfill` section."""
        self._sources.set_editor(members(section))
        self._settle()

    def take_folders(self, folders: Sequence[Path]) -> None:
        """Take other workspace folders, with their files."""
        self._sources.set_folders(folders)
        self._settle()

    def refresh(self) -> None:
        """Read the files that have changed."""
        self._sources.refresh()
        self._settle()

    def start_watching(self) -> None:
        """Look at the files from now on, until `aclose`."""
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll(), name="settings-files")

    async def aclose(self) -> None:
        """Look no more."""
        if self._polling is not None:
            self._polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._polling

    def _settle(self) -> None:
        self.settled = self._sources.settled()
        fresh = [text for text in self.settled.problems if text not in self._told]
        self._told.update(fresh)
        if fresh:
            text = "; ".join(fresh)
            self._notices.tell_once(text, text, types.MessageType.Warning)
        self._on_change(self.settled.config)

    async def _poll(self) -> None:
        while True:
            await self._sleep(POLL_S)
            try:
                if await asyncio.to_thread(self._sources.have_changed):
                    logger.info("a settings file has changed")
                    self.refresh()
            except Exception:  # whatever it was: the next change is to be seen too
                logger.exception("changed settings could not be taken")


def folders_of(server: LanguageServer) -> list[Path]:
    """Return the workspace's folders on this machine's disk, in the editor's order."""
    uris = list(server.workspace.folders) or [server.workspace.root_uri]
    folders: list[Path] = []
    for uri in uris:
        with contextlib.suppress(ValueError):  # such as an unclosed bracket where a host would be
            if uri and (path := to_fs_path(uri)):
                folders.append(Path(path))
    return folders


def registrations(
    capabilities: types.ClientCapabilities, source_files: str
) -> list[types.Registration]:
    """Return what the editor must be asked for so that it tells of changes.

    Args:
        capabilities: the editor's.
        source_files: a glob of the files to watch besides those of settings.
    """
    workspace, found = capabilities.workspace, list[types.Registration]()
    settings = workspace.did_change_configuration if workspace else None
    if settings is not None and settings.dynamic_registration:
        found.append(
            types.Registration(
                id="midfill-configuration",
                method=types.WORKSPACE_DID_CHANGE_CONFIGURATION,
                register_options={"section": "midfill"},
            )
        )
    files = workspace.did_change_watched_files if workspace else None
    if files is not None and files.dynamic_registration:
        found.append(
            types.Registration(
                id="midfill-files",
                method=types.WORKSPACE_DID_CHANGE_WATCHED_FILES,
                register_options={
                    "watchers": [{"globPattern": glob} for glob in (f"**/{NAME}", source_files)]
                },
            )
        )
    return found
