"""What .gitignore and .midfillignore say of a path, as git reads them.

`info/exclude` of each repository and the user's own `core.excludesFile` count too. Files are read
again when they have changed, which one `stat` per folder and file tells at each
question: a rule holds from the moment that it is saved. Called by `judge` and `index`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from midfill_lsp.context.git_rules import GitSettings, exclude_file, settings_of
from midfill_lsp.context.pattern import Pattern, pattern_of

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

NAMES = (".gitignore", ".midfillignore")
"""Per folder, the later wins: `!` in .midfillignore lets pass what .gitignore leaves out."""
_MAX_BYTES = 1_000_000
_MAX_FOLDERS = 50_000
_Patterns = tuple[Pattern, ...]


class UnknownRules(ValueError):
    """What an ignore file or a setting leaves out cannot be known; the text says which and why."""


class IgnoreRules:
    """The ignore files of all folders that were asked for. May be called from several threads."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._patterns: dict[Path, tuple[tuple[object, ...], list[tuple[str, _Patterns]]]] = {}
        self._git: dict[Path, GitSettings] = {}  # by the topmost folder; asked once

    def ignored_by(self, top: Path, path: Path) -> str | None:
        """Return the ignore file that leaves `path` or a folder above it out, None for none.

        Args:
            top: the topmost folder whose ignore files count; `path` lies below it.
            path: a file.

        Raises:
            OSError: an ignore file cannot be read.
            GitFailed: git does not tell its settings.
            UnknownRules: an ignore file is too long.
        """
        parts = path.relative_to(top).parts
        for depth in range(1, len(parts) + 1):
            found = self._verdict(top, parts[:depth], is_folder=depth < len(parts))
            if found is not None:
                return found
        return None

    def leaves_out(self, top: Path, path: Path, is_folder: bool) -> bool:
        """Whether `path` itself is left out, for a walk that has come through the folders above.

        Raises:
            OSError, UnknownRules, GitFailed: as `ignored_by`.
        """
        return self._verdict(top, path.relative_to(top).parts, is_folder) is not None

    def _verdict(self, top: Path, parts: tuple[str, ...], is_folder: bool) -> str | None:
        """Return the file whose last matching rule leaves out exactly this path."""
        git = self._git.get(top) or self._git.setdefault(top, settings_of(top))
        folders = [top]
        for part in parts[:-1]:
            folders.append(folders[-1] / part)
        for level in range(len(parts) - 1, -1, -1):  # the nearest file decides
            tail = "/".join(parts[level:])
            for name, patterns in self._patterns_in(folders[level], git, level == 0):
                for pattern in patterns:
                    if pattern.means(tail, is_folder):
                        return name if pattern.leaves_out else None
        return None

    def _patterns_in(
        self, folder: Path, git: GitSettings, is_top: bool
    ) -> list[tuple[str, _Patterns]]:
        """Return a folder's files with their patterns, those that win first."""
        files = {name: folder / name for name in reversed(NAMES)}
        if (exclude := exclude_file(folder)) is not None:
            files[".git/info/exclude"] = exclude
        if is_top:
            files["core.excludesFile"] = git.excludes
        stamp = tuple((file, _stamp(file)) for file in files.values())
        known = self._patterns.get(folder)
        if known is not None and known[0] == stamp:
            return known[1]
        patterns = [
            (name, _read(file, git.ignores_case))
            for (name, file), (_, there) in zip(files.items(), stamp, strict=True)
            if there is not None
        ]
        if len(self._patterns) >= _MAX_FOLDERS:
            self._patterns.clear()
        self._patterns[folder] = (stamp, patterns)
        return patterns


def spec_of(lines: tuple[str, ...]) -> GitIgnoreSpec:
    """Return patterns in the syntax of .gitignore, from a setting, by the library pathspec.

    Raises:
        UnknownRules: a pattern is none.
    """
    from pathspec import GitIgnoreSpec  # takes 20 ms, and not at the start

    try:
        return GitIgnoreSpec.from_lines(lines)
    except (ValueError, re.error):
        raise UnknownRules(
            "context.allow or context.deny has a line that is no pattern: mend it"
        ) from None


def _read(file: Path, ignores_case: bool) -> _Patterns:
    """Return a file's patterns, those that win first."""
    with file.open("rb") as stream:
        content = stream.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise UnknownRules(f"{file.name} is longer than {_MAX_BYTES} bytes: shorten it")
    # Names come from the system in the same way, bytes that are no UTF-8 included.
    text = content.decode("utf-8-sig", "surrogateescape")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    found = [pattern_of(line, ignores_case) for line in reversed(lines)]
    return tuple(pattern for pattern in found if pattern is not None)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
