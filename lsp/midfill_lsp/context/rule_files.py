"""Files of rules that a repository may bring along: read only where they are plain files.

A link among them could lead out of the repository. Called by `ignore` and `git_rules`.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from midfill_lsp.plain_files import NotPlain, open_plain

MAX_BYTES: Final = 1_000_000

Stamp = tuple[int, int, int]


class UnknownRules(ValueError):
    """What an ignore file or a setting leaves out cannot be known; the text says which and why."""


def stamp(file: Path, follows: bool) -> Stamp | None:
    """Return what tells the version of a file, None where there is none to be read.

    Args:
        file: it may be missing.
        follows: whether it may be a link; else that is none to be read, as to git.

    Raises:
        OSError: that cannot be told.
        UnknownRules: it is a folder, a pipe or such.
    """
    try:
        found = os.stat(file, follow_symlinks=follows)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(found.st_mode) or stat.S_ISCHR(found.st_mode):  # /dev/null says "none"
        return None
    if not stat.S_ISREG(found.st_mode):
        raise UnknownRules(_told(file))
    return found.st_mtime_ns, found.st_size, found.st_ino


def content(file: Path, follows: bool) -> bytes:
    """Return what is in a file that `stamp` has found.

    Raises:
        OSError: it cannot be read, or is a link by now.
        UnknownRules: it is too long, or no plain file any more.
    """
    try:
        with open_plain(file, follows=follows) as stream:
            data = stream.read(MAX_BYTES + 1)
    except NotPlain:
        raise UnknownRules(_told(file)) from None
    if len(data) > MAX_BYTES:
        raise UnknownRules(f"{file.name} is longer than {MAX_BYTES} bytes: shorten it")
    return data


def _told(file: Path) -> str:
    return f"{file.name} is no plain file: put one in its place"
