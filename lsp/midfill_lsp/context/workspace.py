"""Where a document is: its path, and the workspace's folder that it belongs to. Pure but for stats.

A workspace's folder that lies in a git repository is judged from the repository's top, where the
ignore files may be. Called by `gate`, `index` and `server`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

_PATH_SCHEMES = frozenset({"file", "vscode-notebook-cell"})
UNSAVED_SCHEMES = frozenset({"untitled"})
"""Documents that only the editor has: nothing but their text is known."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file in the tree that it is judged in.

    Attributes:
        path: absolute, as the editor or the walk has it, without `..`.
        real: the same with all links followed.
        top: the folder that ignore files are read from: the repository, else the folder.
        inside: whether both paths lie in the workspace; a single file without folders is its own,
            unless it is itself a link.
    """

    path: Path
    real: Path
    top: Path
    inside: bool

    @property
    def name(self) -> str:
        """The path as models and messages see it: from the top, with slashes; outside the name."""
        if self.path.is_relative_to(self.top):
            return self.path.relative_to(self.top).as_posix()
        return self.path.name


class Workspace:
    """The folders that the editor has open."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        """Take the folders; links in their own paths are followed once, here."""
        self._folders: tuple[tuple[Path, Path, Path], ...] = ()  # as given, real, top
        self._real: tuple[Path, ...] = ()
        self.take(folders)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders, links followed."""
        return self._real

    def top_of(self, folder: Path) -> Path:
        """Return the top of the repository that one of the folders lies in, else the folder."""
        return next(top for _, real, top in self._folders if real == folder)

    def take(self, folders: Sequence[Path]) -> None:
        """Take other folders."""
        plain = dict.fromkeys(_plain(folder) for folder in folders)
        real = [(folder, Path(os.path.realpath(folder))) for folder in plain]
        self._real = tuple(each for _, each in real)
        self._folders = tuple((given, each, repository_of(each) or each) for given, each in real)

    def place(self, path: Path) -> Place:
        """Return where a file is."""
        path = _plain(path)
        real = Path(os.path.realpath(path))
        if not self._folders:
            # The user came through the folders' links; where the file's own leads, he may not know.
            is_itself = Path(os.path.realpath(path.parent), path.name) == real
            return Place(path, real, repository_of(real.parent) or path.parent, is_itself)
        for given, folder, top in self._folders:
            if path.is_relative_to(given) or path.is_relative_to(folder):
                base = given if path.is_relative_to(given) else folder
                inside = any(real.is_relative_to(other) for _, other, _ in self._folders)
                return Place(folder / path.relative_to(base), real, top, inside)
        return Place(path, real, repository_of(real.parent) or path.parent, inside=False)


def path_of(uri: str) -> Path | None:
    """Return the path that a document's URI names, None where it names no file here."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # such as an unclosed bracket where a host would be
        return None
    if parts.scheme not in _PATH_SCHEMES or parts.netloc not in ("", "localhost"):
        return None
    path = Path(url2pathname(parts.path))
    return path if path.is_absolute() else None


def repository_of(folder: Path) -> Path | None:
    """Return the top of the git repository around a folder, None where there is none."""
    for each in (folder, *folder.parents):
        if os.path.lexists(each / ".git"):
            return each
    return None


def _plain(path: Path) -> Path:
    return Path(os.path.abspath(path))
