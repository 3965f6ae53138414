"""Reads node_modules folders: which packages stand there, their licences, their own files.

Knows nothing of languages or filters. Called by ``training.sources``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from training.licences import npm_permissive


@dataclass(frozen=True, slots=True)
class Module:
    """An installed npm package; ``licence`` is None where it is not permissive."""

    name: str
    version: str
    licence: str | None
    folder: Path


def modules(root: Path) -> Iterator[Module]:
    """Yields the packages of ``root/node_modules`` (or of ``root``, if so named), in name order.

    A package installed a second time below another one is not looked at.
    """
    place = root if root.name == "node_modules" else root / "node_modules"
    if not place.is_dir():
        return
    folders = sorted(place.iterdir())
    scoped = [f for f in folders if f.name.startswith("@")]
    plain = [f for f in folders if not f.name.startswith(("@", "."))]
    for folder in sorted(plain + [f for scope in scoped for f in scope.iterdir()]):
        module = describe(folder, folder.relative_to(place).as_posix())
        if module is not None:
            yield module


def describe(folder: Path, name: str) -> Module | None:
    """Returns what the ``package.json`` of ``folder`` says, or None where there is none."""
    try:
        parsed = json.loads((folder / "package.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return None
    if not isinstance(parsed, dict):
        return None
    description = cast("dict[str, object]", parsed)
    return Module(name, str(description.get("version")), npm_permissive(description), folder)


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yields (path relative to ``folder``, place) of a package's own files, in order."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - {"node_modules"})
        for name in sorted(names):
            place = Path(parent, name)
            yield place.relative_to(folder).as_posix(), place
