"""Where source files come from: installed Python distributions, the standard library, npm.

Turns folders into packages with a licence, and packages into cleaned files that pass the filters.
Knows nothing of splits or duplicates. Called by ``training.corpus`` and ``training.heldout``.
"""

from __future__ import annotations

import importlib.metadata
import random
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training import npm
from training.errors import TrainingError
from training.filters import clean, foreign_licence, generated_header, reject, skip_path
from training.languages import language_of
from training.licences import permissive


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the corpus; ``path`` is relative to its site-packages or stdlib folder.

    ``package`` of an npm package begins with ``npm:``; its ``path`` begins with its bare name.
    """

    package: str
    licence: str
    path: str
    text: str
    language: str = "python"


@dataclass(frozen=True, slots=True)
class Package:
    """A distribution (or the standard library) with the files that may be read."""

    name: str
    version: str
    licence: str | None
    files: tuple[tuple[str, Path], ...]


Pins = Mapping[str, str]
"""Package -> version."""


def packages(roots: Iterable[Path], pins: Pins) -> list[Package]:
    """Returns what is installed below ``roots``: first Python distributions, then npm's.

    Each name once: in the version of ``pins`` where that is there, else as the first root has it.
    """
    places = list(roots)
    return [*unique(installed(places), pins), *unique(npm_packages(places), pins)]


def check_roots(roots: Iterable[Path]) -> None:
    """Looks whether packages are installed below each of ``roots``.

    Raises:
        TrainingError: naming the first that is no folder or holds none.
    """
    for root in roots:
        if not root.is_dir():
            raise TrainingError(f"--root {root} is no folder")
        if not any(True for kind in (installed, npm_packages) for _ in kind([root])):
            raise TrainingError(
                f"--root {root} holds no package: give a site-packages folder, or one that holds "
                "node_modules"
            )


def unique(found: Iterable[Package], pins: Pins) -> list[Package]:
    """Returns each package once, in name order; see ``packages``."""
    chosen: dict[str, Package] = {}
    for package in found:
        if package.name not in chosen or (
            package.version == pins.get(package.name) != chosen[package.name].version
        ):
            chosen[package.name] = package
    return [chosen[name] for name in sorted(chosen)]


def installed(roots: Iterable[Path]) -> Iterator[Package]:
    """Yields the distributions below site-packages folders."""
    for root in roots:
        for dist in importlib.metadata.distributions(path=[str(root)]):
            name = str(dist.metadata["Name"]).lower().replace("_", "-")
            files = tuple(
                (str(f), Path(str(f.locate())))
                for f in dist.files or ()
                if not str(f).startswith("..") and language_of(str(f)) is not None
            )
            yield Package(name, dist.version, permissive(dist.metadata), files)


def npm_packages(roots: Iterable[Path]) -> Iterator[Package]:
    """Yields the packages of node_modules folders in or at ``roots``."""
    for root in roots:
        for module in npm.modules(root):
            files = tuple(
                (f"{module.name}/{path}", place)
                for path, place in npm.files(module.folder)
                if language_of(path) is not None
            )
            yield Package(f"npm:{module.name}", module.version, module.licence, files)


def standard_library(folder: Path) -> Package:
    """Returns the standard library in ``folder`` (without site-packages) as a package."""
    files = tuple(
        (place.relative_to(folder).as_posix(), place)
        for place in sorted(folder.rglob("*.py"))
        if "site-packages" not in place.parts and "dist-packages" not in place.parts
    )
    version = ".".join(map(str, sys.version_info[:3]))
    return Package("python", version, "PSF-2.0", files)


def default_roots() -> tuple[list[Path], Path]:
    """Returns the running interpreter's site-packages and standard library folders."""
    paths = sysconfig.get_paths()
    return sorted({Path(paths["purelib"]), Path(paths["platlib"])}), Path(paths["stdlib"])


def read(package: Package, dropped: Counter[str]) -> Iterator[SourceFile]:
    """Yields the cleaned files of ``package`` that pass the filters; counts the others."""
    for path, place in package.files:
        file = read_file(package, path, place, dropped)
        if file is not None:
            yield file


def read_some(
    package: Package, max_bytes: int, max_declarations: int, dropped: Counter[str], seed: int
) -> list[SourceFile]:
    """Returns files of ``package`` drawn with ``seed``, up to ``max_bytes`` characters in all.

    Declarations (``.d.ts``), of which npm has more than of code, get ``max_declarations``.
    """
    files = list(package.files)
    random.Random(f"{seed}:{package.name}").shuffle(files)
    kept: list[SourceFile] = []
    size = declarations = 0
    for path, place in files:
        if size > max_bytes or (path.endswith(".d.ts") and declarations > max_declarations):
            dropped["package full"] += 1
            continue
        file = read_file(package, path, place, dropped)
        if file is not None:
            size += len(file.text)
            declarations += len(file.text) if path.endswith(".d.ts") else 0
            kept.append(file)
    return kept


def read_file(package: Package, path: str, place: Path, dropped: Counter[str]) -> SourceFile | None:
    """Returns one cleaned file, or None, counted, where a filter drops it."""
    language = language_of(path)
    reason = skip_path(path)
    if reason is None and language is not None:
        try:
            raw = place.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            reason = "unreadable"
        else:
            text = clean(raw, language)
            if foreign_licence(raw):
                reason = "foreign licence"
            elif generated_header(raw, text):
                reason = "generated"
            else:
                reason = reject(text, language)
            if reason is None:
                return SourceFile(package.name, package.licence or "", path, text, language.name)
    if reason != "language":
        dropped[str(reason)] += 1
    return None


def in_order(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Returns ``files`` by package and path."""
    return sorted(files, key=lambda file: (file.package, file.path))
