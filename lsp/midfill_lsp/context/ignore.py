"""What .gitignore and .midfillignore say of a path, as git reads them; by the library pathspec.

`info/exclude` of each repository and the user's own `core.excludesFile` count too. Files are read
again when they have changed, which one `stat` per folder and file tells at each
question: a rule holds from the moment that it is saved. Called by `judge` and `index`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from midfill_lsp.context.git_rules import GitSettings, exclude_file, settings_of

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

NAMES = (".gitignore", ".midfillignore")
"""Per folder, the later wins: `!` in .midfillignore lets pass what .gitignore leaves out."""
_FOLDER_MARK = "ps_d"
"""The group of pathspec's expressions that holds the slash behind a folder that a rule means."""
_MAX_BYTES = 1_000_000
_MAX_FOLDERS = 50_000


class IgnoreRules:
    """The ignore files of all folders that were asked for. May be called from several threads."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._specs: dict[Path, tuple[tuple[object, ...], list[tuple[str, GitIgnoreSpec]]]] = {}
        self._git: dict[Path, GitSettings] = {}  # by the topmost folder; asked once

    def ignored_by(self, top: Path, path: Path) -> str | None:
        """Return the ignore file that leaves `path` or a folder above it out, None for none.

        Args:
            top: the topmost folder whose ignore files count; `path` lies below it.
            path: a file.

        Raises:
            OSError: an ignore file cannot be read.
            GitFailed: git does not tell its settings.
            ValueError: an ignore file is too long, or has a pattern that is none.
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
            OSError, ValueError, GitFailed: as `ignored_by`.
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
            if git.ignores_case:
                tail = tail.lower()
            for name, spec in self._specs_in(folders[level], git, level == 0):
                include = _decides(spec, tail, is_folder)
                if include is not None:
                    return name if include else None
        return None

    def _specs_in(
        self, folder: Path, git: GitSettings, is_top: bool
    ) -> list[tuple[str, GitIgnoreSpec]]:
        """Return a folder's rules, those that win first."""
        files = {name: folder / name for name in reversed(NAMES)}
        if (exclude := exclude_file(folder)) is not None:
            files[".git/info/exclude"] = exclude
        if is_top:
            files["core.excludesFile"] = git.excludes
        stamp = tuple((file, _stamp(file)) for file in files.values())
        known = self._specs.get(folder)
        if known is not None and known[0] == stamp:
            return known[1]
        specs = [
            (name, _read(file, git.ignores_case))
            for (name, file), (_, there) in zip(files.items(), stamp, strict=True)
            if there is not None
        ]
        if len(self._specs) >= _MAX_FOLDERS:
            self._specs.clear()
        self._specs[folder] = (stamp, specs)
        return specs


def _decides(spec: GitIgnoreSpec, path: str, is_folder: bool) -> bool | None:
    """Return what the last rule that means `path` says: True to leave it out, None for no rule.

    The library lets a rule for a folder mean all below it; git judges the folder first, and a
    `!` for it lets nothing below pass.
    """
    for rule in reversed(tuple(spec.patterns)):
        regex: re.Pattern[str] | None = cast("Any", rule).regex
        if rule.include is None or regex is None:
            continue  # an empty line or a comment
        match = regex.search(path)
        if match and _folder_end(match) < 0:
            return rule.include
        folder = f"{path}/"
        if is_folder and any(_folder_end(m) == len(folder) for m in regex.finditer(folder)):
            return rule.include
    return None


def _folder_end(match: re.Match[str]) -> int:
    """Return where the folder that a rule means ends in the path, slash included; -1 for none."""
    return match.end(_FOLDER_MARK) if _FOLDER_MARK in match.re.groupindex else -1


def spec_of(lines: tuple[str, ...]) -> GitIgnoreSpec:
    """Return patterns in the syntax of .gitignore, from a setting.

    Raises:
        ValueError: a pattern is none.
    """
    from pathspec import GitIgnoreSpec  # takes 20 ms, and not at the start

    return GitIgnoreSpec.from_lines(lines)


def _read(file: Path, ignores_case: bool) -> GitIgnoreSpec:
    with file.open("rb") as stream:
        content = stream.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError(f"{file.name} is longer than {_MAX_BYTES} bytes")
    # Names come from the system in the same way, bytes that are no UTF-8 included.
    text = content.decode("utf-8-sig", "surrogateescape")
    return spec_of(tuple((text.lower() if ignores_case else text).splitlines()))


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
