"""The workspace's files that an import means, as far as that is simple and cheap. Pure.

Looks paths up in the index and touches no disk. Called by `signatures`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from midfill_lsp.context.index import Tree
from midfill_lsp.syntax import Import

MAX_FILES: Final = 6
"""For one import: a Go package has many files."""
_SCRIPT_ENDS: Final = (
    "", ".ts", ".tsx", ".d.ts", ".js", ".jsx", ".mjs", ".mts", "/index.ts", "/index.tsx",
    "/index.js",
)  # fmt: skip
_C_FOLDERS: Final = ("", "include", "src")


def files_of(
    found: Import, language: str, path: str, roots: Sequence[str], tree: Tree
) -> tuple[str, ...]:
    """Return the files that an import in the file `path` may mean, likely ones first.

    Args:
        found: the import.
        language: as `syntax` names it.
        path: absolute, of the file that imports.
        roots: the workspace's folders and their repositories.
        tree: the index.
    """
    candidates = _READERS[language](found, path, roots, tree)
    there = dict.fromkeys(each for each in candidates if each in tree.files and each != path)
    return tuple(islice(there, MAX_FILES))


def _python(found: Import, path: str, roots: Sequence[str], _tree: Tree) -> Iterator[str]:
    module = found.module
    dots = len(module) - len(module.lstrip("."))
    parts = [part for part in module.lstrip(".").split(".") if part]
    if dots:
        base = os.path.dirname(path)
        for _ in range(dots - 1):
            base = os.path.dirname(base)
        bases = [base]
    else:
        bases = list(_above(path, roots))
    for base in bases:
        whole = os.path.join(base, *parts)
        for name in found.names:
            yield os.path.join(whole, f"{name}.py")
        yield f"{whole}.py"
        yield f"{whole}.pyi"
        yield os.path.join(whole, "__init__.py")


def _above(path: str, roots: Sequence[str]) -> Iterator[str]:
    """Yield the roots and their `src`, then the folders from the file's up to a root."""
    for root in roots:
        yield root
        yield os.path.join(root, "src")
    folder = os.path.dirname(path)
    while any(folder.startswith(root + os.sep) for root in roots):
        yield folder
        folder = os.path.dirname(folder)


def _script(found: Import, path: str, roots: Sequence[str], _tree: Tree) -> Iterator[str]:
    module = found.module
    if module.startswith("."):
        bases = [os.path.dirname(path)]
    elif module.startswith(("@/", "~/")):
        module = module[2:]
        bases = [os.path.join(root, folder) for root in roots for folder in ("src", "")]
    else:
        return  # a package
    for base in bases:
        whole = os.path.normpath(os.path.join(base, module))
        for end in _SCRIPT_ENDS:
            yield whole + end
        stem, ext = os.path.splitext(whole)
        if ext in (".js", ".mjs", ".jsx"):  # TypeScript's imports name what will be there
            for end in _SCRIPT_ENDS[1:4]:
                yield stem + end


def _go(found: Import, _path: str, _roots: Sequence[str], tree: Tree) -> Iterator[str]:
    for folder, module in tree.modules.items():
        if module and (found.module == module or found.module.startswith(module + "/")):
            inside = os.path.normpath(os.path.join(folder, found.module[len(module) + 1 :]))
            yield from tree.packages.get(inside, ())


def _c(found: Import, path: str, roots: Sequence[str], tree: Tree) -> Iterator[str]:
    yield os.path.normpath(os.path.join(os.path.dirname(path), found.module))
    for root in roots:
        for folder in _C_FOLDERS:
            yield os.path.normpath(os.path.join(root, folder, found.module))
    yield from _ending(found.module, tree)


def _java(found: Import, _path: str, _roots: Sequence[str], tree: Tree) -> Iterator[str]:
    parts = found.module.split(".")
    yield from _ending("/".join(parts) + ".java", tree)
    yield from _ending("/".join(parts[:-1]) + ".java", tree)  # a member of a class


def _rust(found: Import, path: str, roots: Sequence[str], tree: Tree) -> Iterator[str]:
    parts = [part for part in found.module.split("::") if part]
    if not parts:
        return
    folder = os.path.dirname(path)
    if parts[0] == "super":
        bases, parts = [folder, os.path.dirname(folder)], parts[1:]
    elif parts[0] in ("crate", "self"):
        bases, parts = [os.path.join(root, "src") for root in roots], parts[1:]
        bases += [base for base in _above(path, roots) if os.path.basename(base) == "src"]
    else:
        bases = [folder, os.path.splitext(path)[0]]
    for base in bases:
        for num in range(len(parts), 0, -1):  # the last ones may be names in the module
            whole = os.path.join(base, *parts[:num])
            yield f"{whole}.rs"
            yield os.path.join(whole, "mod.rs")


def _ending(name: str, tree: Tree) -> Iterator[str]:
    """Yield the files whose path ends with `name`, if they are so few that it means something."""
    tail = os.sep + name
    found = [each for each in tree.by_name.get(os.path.basename(name), ()) if each.endswith(tail)]
    if len(found) <= MAX_FILES:
        yield from found


_READERS: Mapping[str, Callable[[Import, str, Sequence[str], Tree], Iterator[str]]] = {
    "python": _python,
    "javascript": _script,
    "typescript": _script,
    "tsx": _script,
    "go": _go,
    "rust": _rust,
    "c": _c,
    "cpp": _c,
    "java": _java,
}
