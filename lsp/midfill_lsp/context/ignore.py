"""What .gitignore and .midfillignore say of a path, as git reads them.

`info/exclude` of each repository and the user's own `core.excludesFile` count too. Files are read
again when they have changed, which one `stat` per folder and file tells at each
question: a rule holds from the moment that it is saved. Called by `judge` and `index`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from midfill_lsp.context.git_rules import GitFailed, GitSettings, exclude_file, settings_of
from midfill_lsp.context.pattern import Pattern, pattern_of
from midfill_lsp.context.rule_files import UnknownRules, content, stamp

NAMES = (".gitignore", ".midfillignore")
"""Per folder, the later wins: `!` in .midfillignore lets pass what .gitignore leaves out."""
_MAX_FOLDERS = 50_000
_SLOW_S = 0.5
# From the second failure in a row on: a cold disk or a virus scanner makes git slow but once.
_FIRST_PAUSE_S, _MOST_PAUSE_S = 2.0, 60.0
Patterns = tuple[Pattern, ...]
"""Those that win first."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """Git's latest failure in a folder: when, for how long it is left alone, and what is told."""

    at: float
    pause_s: float
    told: str


class IgnoreRules:
    """The ignore files of all folders that were asked for. May be called from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Read nothing yet; the clock tells the seconds, from wherever."""
        self._clock = clock
        self._patterns: dict[Path, tuple[tuple[object, ...], list[tuple[str, Patterns]]]] = {}
        self._git: dict[Path, GitSettings] = {}  # by the topmost folder; asked once
        self._git_failed: dict[Path, _Failure] = {}

    def ignored_by(self, top: Path, path: Path) -> str | None:
        """Return the ignore file that leaves `path` or a folder above it out, None for none.

        Args:
            top: the topmost folder whose ignore files count; `path` lies below it.
            path: a file.

        Raises:
            OSError: an ignore file cannot be read.
            GitFailed: git does not tell its settings.
            UnknownRules: an ignore file is too long, or no file.
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
        git = self._git.get(top) or self._git.setdefault(top, self._settings_of(top))
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

    def _settings_of(self, top: Path) -> GitSettings:
        """Ask git; not again for a while if it keeps taking its time to fail, as every key asks."""
        began = self._clock()
        before = self._git_failed.get(top)
        if before is not None and began < before.at + before.pause_s:
            raise GitFailed(before.told)
        try:
            return settings_of(top)
        except GitFailed as error:
            now = self._clock()
            if now - began < _SLOW_S:
                raise
            pause_s = self._pause_s(top, began)
            told = f"{error}; it is asked again {f'in {pause_s:g} s' if pause_s else 'next time'}"
            self._git_failed[top] = _Failure(now, pause_s, told)
            raise GitFailed(told) from None

    def _pause_s(self, top: Path, began: float) -> float:
        """Return for how long git is left alone after a failure of what began then."""
        before = self._git_failed.get(top)
        if before is None:
            return 0.0
        if before.at > began:  # of another thread, which waited at the same time
            return before.pause_s
        return min(max(_FIRST_PAUSE_S, 2 * before.pause_s), _MOST_PAUSE_S)

    def _patterns_in(
        self, folder: Path, git: GitSettings, is_top: bool
    ) -> list[tuple[str, Patterns]]:
        """Return a folder's files with their patterns, those that win first."""
        files = [(name, folder / name, False) for name in reversed(NAMES)]
        # These are the user's own, and may be links.
        if (exclude := exclude_file(folder)) is not None:
            files.append((".git/info/exclude", exclude, True))
        if is_top:
            files.append(("core.excludesFile", git.excludes, True))
        stamps = [stamp(file, follows) for _, file, follows in files]
        version = tuple((file, found) for (_, file, _), found in zip(files, stamps, strict=True))
        known = self._patterns.get(folder)
        if known is not None and known[0] == version:
            return known[1]
        patterns = [
            (name, _read(file, follows, git.ignores_case))
            for (name, file, follows), found in zip(files, stamps, strict=True)
            if found is not None
        ]
        if len(self._patterns) >= _MAX_FOLDERS:
            self._patterns.clear()
        self._patterns[folder] = (version, patterns)
        return patterns


def patterns_of(lines: tuple[str, ...]) -> Patterns:
    """Return patterns in the syntax of .gitignore, from a setting.

    Raises:
        UnknownRules: a line is no pattern.
    """
    found = [(line, pattern_of(line)) for line in reversed(lines)]
    if any(each is None and line.strip() and line[0] != "#" for line, each in found):
        raise UnknownRules("context.allow or context.deny has a line that is no pattern: mend it")
    return tuple(_merged(each for _, each in found if each is not None))


def _merged(patterns: Iterable[Pattern]) -> Iterator[Pattern]:
    """Yield neighbours of one kind as one: each file of a walk is held against a hundred names."""
    for (is_plain, *_), each in groupby(patterns, _kind):
        same = list(each)
        if is_plain:
            regex = re.compile("|".join(one.regex.pattern for one in same), same[0].regex.flags)
            yield replace(same[0], regex=regex)
        else:
            yield from same


def _kind(pattern: Pattern) -> tuple[bool, ...]:
    is_plain = not pattern.regex.groups  # the names of groups are each pattern's own
    return is_plain, pattern.leaves_out, pattern.only_folders, pattern.of_path


def mean(patterns: Patterns, name: str) -> bool:
    """Whether the last line that means a file, or a folder above it, has no `!`.

    Other than in a file of git's, a `!` lets pass what is in a folder that another line means.
    """
    names = name.split("/")
    paths = ["/".join(names[:depth]) for depth in range(1, len(names) + 1)]
    for pattern in patterns:
        texts = paths if pattern.of_path else names
        if any(map(pattern.regex.fullmatch, texts[:-1] if pattern.only_folders else texts)):
            return pattern.leaves_out
    return False


def _read(file: Path, follows: bool, ignores_case: bool) -> Patterns:
    # Names come from the system in the same way, bytes that are no UTF-8 included.
    text = content(file, follows).decode("utf-8-sig", "surrogateescape")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    found = [pattern_of(line, ignores_case) for line in reversed(lines)]
    return tuple(pattern for pattern in found if pattern is not None)
