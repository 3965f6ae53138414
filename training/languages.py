"""The languages of the corpus: which suffixes they have, how they comment, what size is usual.

A table and nothing else. Called by ``training.filters`` and ``training.corpus``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

Group = Literal["python", "javascript", "c", "text"]
"""Languages that share one budget of the corpus."""


@dataclass(frozen=True, slots=True)
class Language:
    """What the filters must know of one language.

    ``line_comment`` opens a comment to the end of the line, ``block_comment`` is a pair. Lengths
    are characters; ``max_mean_len`` bounds the mean length of a file's lines. ``code`` is false
    where a file of nothing but literals is no data table.
    """

    name: str
    group: Group
    suffixes: tuple[str, ...]
    line_comment: str | None
    block_comment: tuple[str, str] | None = None
    min_chars: int = 300
    max_chars: int = 120_000
    max_line_len: int = 300
    max_mean_len: int = 90
    code: bool = True


C_BLOCK = ("/*", "*/")
LANGUAGES = (
    Language("python", "python", (".py",), "#"),
    Language("javascript", "javascript", (".js", ".mjs", ".cjs", ".jsx"), "//", C_BLOCK),
    Language("typescript", "javascript", (".ts", ".mts", ".cts", ".tsx"), "//", C_BLOCK),
    Language("c", "c", (".c", ".h"), "//", C_BLOCK),
    Language("cpp", "c", (".cc", ".cpp", ".cxx", ".hh", ".hpp", ".cu", ".cuh"), "//", C_BLOCK),
    Language("shell", "text", (".sh", ".bash"), "#", min_chars=120),
    Language(
        "markdown", "text", (".md",), None, ("<!--", "-->"),
        max_chars=60_000, max_line_len=2000, max_mean_len=400, code=False,
    ),
    Language("toml", "text", (".toml",), "#", min_chars=120, max_chars=20_000, code=False),
    Language("json", "text", (".json",), None, min_chars=120, max_chars=4_000, code=False),
)  # fmt: skip

BY_NAME = {language.name: language for language in LANGUAGES}
BY_SUFFIX = {suffix: language for language in LANGUAGES for suffix in language.suffixes}


def language_of(path: str) -> Language | None:
    """Returns the language that the suffix of ``path`` tells, or None where it is not known."""
    return BY_SUFFIX.get(PurePosixPath(path).suffix)
