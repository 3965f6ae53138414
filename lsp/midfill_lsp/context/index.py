"""The paths of the workspace's source files, for finding what an import means.

Walked in a thread; read on the event loop. Holds paths and no text, at most so many, and follows
no link. What the ignore files leave out and what looks like a secret is not in it. Called by
`finder`, and by `resolve` to look paths up.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from midfill_lsp.context.ignore import IgnoreRules
from midfill_lsp.context.outlines import LANGUAGES
from midfill_lsp.context.secret_files import looks_secret
from midfill_lsp.context.workspace import Workspace
from midfill_lsp.plain_files import open_plain

logger = logging.getLogger(__name__)

_SKIPPED_FOLDERS: Final = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__"})


@dataclass(frozen=True, slots=True)
class Tree:
    """What one walk found.

    Attributes:
        files: absolute paths.
        by_name: the same by the file's name.
        packages: Go's files by their folder, their tests left out.
        modules: Go's module paths by the folder of their `go.mod`.
        is_whole: whether the bound on files left none out.
    """

    files: frozenset[str] = frozenset()
    by_name: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    packages: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    modules: dict[str, str] = field(default_factory=dict[str, str])
    is_whole: bool = True


def walk(workspace: Workspace, max_files: int, is_wanted: Callable[[], bool]) -> Tree:
    """Return the workspace's files, those near the top first if there are too many.

    Args:
        workspace: the folders.
        max_files: the bound.
        is_wanted: asked for each folder; once it says no, the walk ends with what it has.
    """
    files: list[str] = []
    modules: dict[str, str] = {}
    is_whole = True
    for folder in workspace.folders:
        for path in _walk(folder, workspace.top_of(folder), is_wanted):
            if os.path.basename(path) == "go.mod":
                modules[os.path.dirname(path)] = _go_module(path)
            elif len(files) < max_files:
                files.append(path)
            else:
                is_whole = False
                break
    return tree_of(files, modules, is_whole)


def tree_of(files: Iterable[str], modules: dict[str, str], is_whole: bool) -> Tree:
    """Return the tree of these files."""
    by_name: dict[str, list[str]] = {}
    packages: dict[str, list[str]] = {}
    for path in files:
        by_name.setdefault(os.path.basename(path), []).append(path)
        if path.endswith(".go") and not path.endswith("_test.go"):
            packages.setdefault(os.path.dirname(path), []).append(path)
    return Tree(
        frozenset(path for paths in by_name.values() for path in paths),
        {name: tuple(paths) for name, paths in by_name.items()},
        {folder: tuple(sorted(paths)) for folder, paths in packages.items()},
        modules,
        is_whole,
    )


def _walk(folder: Path, top: Path, is_wanted: Callable[[], bool]) -> Iterator[str]:
    """Yield files level by level."""
    rules = IgnoreRules()
    if folder != top and rules.ignored_by(top, folder / "x") is not None:
        return
    level = [folder]
    while level and is_wanted():
        below: list[Path] = []
        for each in level:
            try:
                files, folders = _entries(each, top, rules)
            except (OSError, ValueError) as error:  # what cannot be judged is left out
                logger.info("a folder is not indexed: %s", type(error).__name__)
                continue
            yield from files
            below += folders
        level = below


def _entries(folder: Path, top: Path, rules: IgnoreRules) -> tuple[list[str], list[Path]]:
    files: list[str] = []
    folders: list[Path] = []
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _SKIPPED_FOLDERS and not rules.leaves_out(top, path, True):
                folders.append(path)
        elif (
            entry.is_file(follow_symlinks=False)  # no link, and no pipe
            and (path.suffix.lower() in LANGUAGES or entry.name == "go.mod")
            and not looks_secret(path.relative_to(top).as_posix())
            and not rules.leaves_out(top, path, False)
        ):
            files.append(str(path))
    return files, folders


def _go_module(path: str) -> str:
    try:
        with open_plain(path) as stream:
            text = stream.read(4_000).decode("utf-8", "replace")
    except OSError:
        return ""
    modules = (line.split() for line in text.splitlines() if line.startswith("module "))
    return next((words[1] for words in modules if len(words) > 1), "")
