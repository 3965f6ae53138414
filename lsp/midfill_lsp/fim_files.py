r"""Other files in a prompt that is text: by the family's separators, else as commented text. Pure.

As the engine and llama.cpp's server place them. A family that was trained on repositories:

    {repo}name\n {file}a.py\n ... {file}b.py\n ... {file}path/of/this.py\n <prompt>

Any other model sees the texts before the prefix, each under a comment with its name. A file that
holds what the server would take for a control token is left out. Called by `fim` and `backend`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final


@dataclass(frozen=True, slots=True)
class OtherFile:
    """A piece of another file."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Separators:
    """What a family writes before the repository's name and before each file."""

    repo: str
    file: str


@dataclass(frozen=True, slots=True)
class OtherFiles:
    """Other files, the most important last, and the names of the file and repository at hand."""

    files: tuple[OtherFile, ...] = ()
    filename: str = ""
    repo_name: str = ""

    def without(self, specials: re.Pattern[str]) -> OtherFiles:
        """Return those without control tokens, and names that hold none either."""
        kept = tuple(
            file for file in self.files if not specials.search(f"{file.name}\n{file.text}")
        )
        filename = "" if specials.search(self.filename) else self.filename
        repo_name = "" if specials.search(self.repo_name) else self.repo_name
        return OtherFiles(kept, filename, repo_name)

    def within(self, max_chars: int) -> OtherFiles:
        """Return as many of the last as fit, whole."""
        kept = list(self.files)
        while kept and sum(len(file.name) + len(file.text) for file in kept) > max_chars:
            del kept[0]
        return OtherFiles(tuple(kept), self.filename, self.repo_name)


def as_files(others: OtherFiles, separators: Separators) -> str:
    """Return what stands before a prompt's first sentinel; empty without files."""
    if not others.files:
        return ""
    parts = [f"{separators.repo}{_one_line(others.repo_name or 'myproject')}\n"]
    for file in others.files:
        parts.append(f"{separators.file}{_one_line(file.name)}\n{_whole_lines(file.text)}")
    parts.append(f"{separators.file}{_one_line(others.filename or 'filename')}\n")
    return "".join(parts)


def as_comments(others: OtherFiles) -> str:
    """Return what stands before the prefix; empty without files."""
    return "".join(_comment(file.name) + _whole_lines(file.text) for file in others.files)


def _comment(name: str) -> str:
    path = PurePosixPath(name)
    marks = COMMENT_MARKS.get(path.suffix.lower() or path.name.lower())
    return f"{marks[0]} {_one_line(name)}{marks[1]}\n" if marks else ""


def _whole_lines(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _one_line(name: str) -> str:
    return " ".join(name.split())


_COMMENTS: Final[Mapping[tuple[str, str], str]] = {
    ("#", ""): ".py .pyi .rb .sh .bash .zsh .pl .r .jl .yml .yaml .toml .ex .exs .nix .tf .cmake "
    ".ps1 makefile dockerfile",
    ("//", ""): ".js .jsx .mjs .cjs .ts .tsx .mts .cts .c .h .cc .cpp .cxx .hpp .hh .hxx .cs .java "
    ".kt .kts .go .rs .swift .scala .php .dart .m .zig .proto .groovy .v .sv",
    ("--", ""): ".lua .sql .hs .elm .adb .ads .vhd",
    (";", ""): ".el .lisp .clj .cljs .scm .asm .ini",
    ("%", ""): ".tex .erl .hrl",
    ('"', ""): ".vim",
    ("/*", " */"): ".css .scss .less",
    ("<!--", " -->"): ".html .htm .xml .svg .vue .svelte .md",
}
COMMENT_MARKS: Final = {name: marks for marks, names in _COMMENTS.items() for name in names.split()}
