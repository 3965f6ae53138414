"""Where the compiled library lies: with the package, else in the user's cache, built if need be.

A copy in the cache counts only while it is as it was written: a process that reads beyond the end
of a library that was cut short is killed. Called by `library`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from midfill_engine.kernels.build import (
    LIBRARY_NAME,
    RECORD_NAME,
    SCRATCH,
    Compiler,
    build,
    build_key,
    file_digest,
)

_LEFT_S = 86_400.0  # a folder of that age is no running build's


def ensure_built(folders: Sequence[Path] | None = None) -> Path:
    """Returns the library's path, built into the user's cache if it is nowhere yet.

    A compiler is asked for only then.

    Args:
        folders: where to look for a finished one first; None looks beside this file.

    Raises:
        BuildError: it cannot be built.
    """
    for folder in (Path(__file__).resolve().parent,) if folders is None else folders:
        if (folder / LIBRARY_NAME).is_file():
            return folder / LIBRARY_NAME
    cached = cache_folder()
    if is_whole(cached):
        return cached / LIBRARY_NAME
    _sweep(cached.parent)
    return build(Compiler.find(), cached)


def _sweep(cache: Path) -> None:
    """Removes what builds that were killed left in the folders of the cache."""
    for scratch in cache.glob(f"*/{SCRATCH}*"):
        with contextlib.suppress(OSError):  # another sweeps too
            if time.time() - scratch.stat().st_mtime > _LEFT_S:
                shutil.rmtree(scratch, ignore_errors=True)


def cache_folder() -> Path:
    """Returns where in the user's cache the library of these sources lies, or would."""
    return platformdirs.user_cache_path("midfill", False) / "kernels" / build_key()


def is_whole(folder: Path) -> bool:
    """Returns whether a library lies there as `build` wrote it."""
    try:
        recorded = (folder / RECORD_NAME).read_text(encoding="utf-8", errors="replace")
        return file_digest(folder / LIBRARY_NAME) == recorded.partition("\n")[0]
    except OSError:
        return False


def runs_nothing(path: Path) -> bool:
    """Returns whether a file lies where the system runs no code from, as where mounted noexec."""
    noexec: int = getattr(os, "ST_NOEXEC", 0)  # Linux's
    return bool(noexec) and bool(os.statvfs(path).f_flag & noexec)
