"""What git leaves out besides .gitignore, and how: its own settings, and files outside the tree.

`core.excludesFile`, `info/exclude` and `core.ignoreCase`, as git itself tells them. Called by
`ignore`.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from midfill_lsp.context.rule_files import content, stamp
from midfill_lsp.programs import find_program


class GitFailed(Exception):
    """Git does not tell its settings; the text says no more than that, and holds nothing else."""


_SETTINGS: Final = r"^core\.(excludesfile|ignorecase)$"
_TIMEOUT_S: Final = 2.0  # milliseconds, but for a cold start, and for ever where it reads a pipe


@dataclass(frozen=True, slots=True)
class GitSettings:
    """What git's settings say of a folder.

    Attributes:
        excludes: the user's own ignore file for all repositories; it may not be there.
        ignores_case: rules hold whatever the case of the letters.
    """

    excludes: Path
    ignores_case: bool


def settings_of(folder: Path) -> GitSettings:
    """Ask git, some milliseconds of work; without a git there are its defaults.

    Raises:
        GitFailed: it does not tell.
    """
    told: dict[str, str] = {}
    for entry in _asked(folder).split("\0"):
        name, _, value = entry.partition("\n")
        told[name] = value  # the last holds, which is the nearest
    excludes = told.get("core.excludesfile")
    path = Path(os.path.expanduser(excludes)) if excludes else _default_excludes()
    # A name without a value is true.
    ignores_case = told.get("core.ignorecase", "false").lower() in ("true", "yes", "on", "1", "")
    return GitSettings(folder / path, ignores_case)


def _asked(folder: Path) -> str:
    """Return what git says of a folder; of the user alone where that is none, or a broken one."""
    git = find_program("git")
    status: object = None
    for place in (folder, Path(folder.anchor)) if git else ():
        command = [str(git), "-C", str(place), "config", "-z", "--get-regexp", _SETTINGS]
        try:
            done = subprocess.run(
                command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_TIMEOUT_S,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise GitFailed(f"git config took over {_TIMEOUT_S:g} s to answer") from None
        except (OSError, subprocess.SubprocessError) as error:
            raise GitFailed(f"git config cannot be run: {type(error).__name__}") from None
        if done.returncode in (0, 1):  # 1: none of them is set
            return os.fsdecode(done.stdout)
        status = done.returncode
    if git:
        raise GitFailed(f"git config fails with status {status}: mend git's settings")
    return ""


def exclude_file(folder: Path) -> Path | None:
    """Return a repository's `info/exclude`, None for a folder that is no repository's top.

    A work tree's and a submodule's lie elsewhere.

    Raises:
        OSError, UnknownRules: what says where cannot be read.
    """
    git = folder / ".git"
    if git.is_dir():
        return git / "info" / "exclude"
    line = _line(git)
    if line is None:
        return None
    place = folder / line.removeprefix("gitdir:").strip()
    common = _line(place / "commondir")
    if common is not None:
        place = place / common.strip()
    return place / "info" / "exclude"


def _line(file: Path) -> str | None:
    """Return what is in a file of git's, which may be a link as it may to git; None for no file."""
    if stamp(file, follows=True) is None:
        return None
    return content(file, follows=True).decode("utf-8", "surrogateescape")


def _default_excludes() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(base) / "git" / "ignore"
