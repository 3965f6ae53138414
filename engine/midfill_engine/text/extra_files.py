r"""Other files in an infill prompt, where llama.cpp's server places them (`format_prompt_infill`).

A model that was trained on repositories sees them as it was trained, before everything else:

    {repo}myproject\n {file}a.py\n ... {file}b.py\n ... {file}filename\n <PRE> ...

with the name of the file that is being written last. A model without a file sentinel sees their
text before the prefix, each under a comment with its name where its language is known. Nothing
here hangs on prefix and suffix, so that typing leaves the tokens as they are. Called by `fim`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from midfill_engine.text.families import InfillFamily
from midfill_engine.text.tokenizer import Tokenizer

NO_REPO = "myproject"
NO_FILE = "filename"
"""What llama.cpp writes where nobody says: models saw real names there, so any word will do."""


@dataclass(frozen=True, slots=True)
class ExtraFile:
    """Another file, shown to the model before the prefix."""

    filename: str
    text: str


@dataclass(frozen=True, slots=True)
class Extra:
    """Other files, with the names that stand around them.

    Attributes:
        files: the most important last.
        filename: of the file that is being written; None where nobody says.
        repo: the repository's name; None where nobody says.
    """

    files: tuple[ExtraFile, ...] = ()
    filename: str | None = None
    repo: str | None = None


@dataclass(frozen=True, slots=True)
class PlacedExtra:
    """Extra files: as ids before the first sentinel, or as text before the prefix.

    Attributes:
        ids: before everything but the token that begins a sequence.
        text: before the prefix.
        num_tokens: what both take at most.
        cut: whether a file was left out.
    """

    ids: tuple[int, ...] = ()
    text: str = ""
    num_tokens: int = 0
    cut: bool = False


def place_extra(
    tokenizer: Tokenizer, family: InfillFamily, extra: Extra, limit_tokens: int
) -> PlacedExtra:
    """As many of the last files as fit, whole and in their order; nothing where none fits."""
    if not extra.files:
        return PlacedExtra()
    if family.file_id is None:
        return _as_text(tokenizer, extra, limit_tokens)
    return _as_ids(tokenizer, family, family.file_id, extra, limit_tokens)


def _as_ids(
    tokenizer: Tokenizer, family: InfillFamily, file_id: int, extra: Extra, limit_tokens: int
) -> PlacedExtra:
    """Names and texts are encoded apart, as llama.cpp does: a sentinel in them stays text."""

    def encode(text: str) -> list[int]:
        return tokenizer.encode(text, bos=False, leading_space=False)

    head: list[int] = []
    if family.repo_id is not None:
        head = [family.repo_id, *encode(f"{_one_line(extra.repo or NO_REPO)}\n")]
    tail = [file_id, *encode(f"{_one_line(extra.filename or NO_FILE)}\n")]
    room = limit_tokens - len(head) - len(tail)
    files: list[int] = []
    num_placed = 0
    for file in reversed(extra.files):
        if tokenizer.least_tokens(len(file.text)) > room:
            break
        name = encode(f"{_one_line(file.filename)}\n") if file.filename else []
        ids = [file_id, *name, *encode(_with_line_end(file.text))]
        if len(files) + len(ids) > room:
            break
        files[:0] = ids
        num_placed += 1
    cut = num_placed < len(extra.files)
    if not num_placed:
        return PlacedExtra(cut=cut)
    ids = [*head, *files, *tail]
    return PlacedExtra(ids=tuple(ids), num_tokens=len(ids), cut=cut)


def _as_text(tokenizer: Tokenizer, extra: Extra, limit_tokens: int) -> PlacedExtra:
    texts: list[str] = []
    num_tokens = 0
    for file in reversed(extra.files):
        if tokenizer.least_tokens(len(file.text)) > limit_tokens:
            break
        text = comment(file.filename) + _with_line_end(file.text)
        # One more for each: texts that are encoded together may meet in one token more.
        taken = len(tokenizer.encode(text, bos=False, leading_space=False)) + 1
        if num_tokens + taken > limit_tokens:
            break
        num_tokens += taken
        texts.insert(0, text)
    cut = len(texts) < len(extra.files)
    return PlacedExtra(text="".join(texts), num_tokens=num_tokens, cut=cut)


def comment(filename: str) -> str:
    """A line that tells a file's name as a comment of its language; empty if that is unknown."""
    path = PurePosixPath(filename.replace("\\", "/"))
    marks = COMMENT_MARKS.get(path.suffix.lower() or path.name.lower())
    if marks is None:
        return ""
    begin, end = marks
    return f"{begin} {_one_line(filename)}{end}\n"


def _with_line_end(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _one_line(name: str) -> str:
    return " ".join(name.split())


_COMMENTS: Mapping[tuple[str, str], str] = {
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
COMMENT_MARKS: Mapping[str, tuple[str, str]] = {
    name: marks for marks, names in _COMMENTS.items() for name in names.split()
}
"""How a comment begins and ends, by a file's extension, or by the name of one without."""
