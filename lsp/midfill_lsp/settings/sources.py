"""All layers of one language server or command, and which of their files have changed.

Each is laid over the one before:

    defaults, the user's file, the command line, the handshake, the editor's section,
    the workspaces' files

The nearer to the code, the stronger, as everywhere (git, EditorConfig, an editor's own folder
settings): who writes a `midfill.toml` into his project expects it to count there. It may be
somebody else's project, so these files only set what cannot do harm (see `setting`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from midfill_lsp.config import Config
from midfill_lsp.errors import ConfigError
from midfill_lsp.settings.files import NAME, read_layer, user_file
from midfill_lsp.settings.layer import Layer
from midfill_lsp.settings.settle import Settled, settle

_Stamp = tuple[int, int, int] | None

COMMAND_LINE = "the command line"


class Sources:
    """Keeps what every source last said."""

    def __init__(
        self, command_line: Mapping[str, object] | None = None, base: Config | None = None
    ) -> None:
        """Read the user's file; no workspace and no editor is known yet.

        Args:
            command_line: the settings that its options stand for.
            base: what stands in the place of the defaults.
        """
        self._base = base or Config()
        self._command_line = Layer(COMMAND_LINE, command_line or {})
        self._handshake = Layer("the handshake", {})
        self._editor = Layer("the editor", {})
        self._user_file = user_file()
        self._folders: tuple[Path, ...] = ()
        self._layers: dict[Path, Layer] = {}  # as they were last read without an error
        self._errors: dict[Path, str] = {}
        self._stamps: dict[Path, _Stamp] = {}
        self.refresh()

    @property
    def workspace_files(self) -> tuple[Path, ...]:
        """The places of the workspaces' files, whether they exist or not."""
        return tuple(folder / NAME for folder in self._folders)

    def set_handshake(self, values: Mapping[str, object]) -> None:
        """Take `initializationOptions.midfill`."""
        self._handshake = Layer("the handshake", values)

    def set_editor(self, values: Mapping[str, object]) -> None:
        """Take the editor's `midfill` section."""
        self._editor = Layer("the editor", values)

    def set_folders(self, folders: Sequence[Path]) -> None:
        """Take the workspace's folders; where several say something, the first wins."""
        self._folders = tuple(dict.fromkeys(folders))
        self.refresh()

    def have_changed(self) -> bool:
        """Whether a file is another than the one that was read. Touches the disk, no state."""
        return any(_stamp(path) != self._stamps.get(path) for path in self._paths())

    def refresh(self) -> None:
        """Read the files that have changed. One that has become wrong stays as it was."""
        paths = self._paths()
        for path in set(self._stamps) - set(paths):
            for kept in (self._stamps, self._layers, self._errors):
                kept.pop(path, None)
        for path in paths:
            stamp = _stamp(path)
            if path not in self._stamps or stamp != self._stamps[path]:
                self._stamps[path] = stamp
                self._read(path)

    def settled(self) -> Settled:
        """Return what all of it comes to."""
        user = self._user_layers()
        workspaces = [
            self._layers[path] for path in reversed(self.workspace_files) if path in self._layers
        ]
        settled = settle([*user, self._handshake, self._editor, *workspaces], self._base)
        problems = (*self._errors.values(), *settled.problems)
        return Settled(settled.config, problems, settled.origins)

    def own(self) -> Config:
        """Return what the user's file and the command line say: no repository could have."""
        return settle(self._user_layers(), self._base).config

    def _user_layers(self) -> list[Layer]:
        file = self._layers.get(self._user_file)
        return [file, self._command_line] if file is not None else [self._command_line]

    def _paths(self) -> tuple[Path, ...]:
        return (self._user_file, *self.workspace_files)

    def _read(self, path: Path) -> None:
        self._errors.pop(path, None)
        try:
            layer = read_layer(path, is_workspace=path != self._user_file)
        except ConfigError as error:
            self._errors[path] = str(error)
            return
        if layer is None:
            self._layers.pop(path, None)
        else:
            self._layers[path] = layer


def _stamp(path: Path) -> _Stamp:
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
