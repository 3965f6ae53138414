r"""One line of an ignore file, as git 2.39 reads it: gitignore(5), `dir.c` and `wildmatch.c`. Pure.

    !doc/**/*.txt      lets pass              doc/(?:.*?/)??[^/]*\.txt    the path
    build/             leaves folders out     build                       the name

No line is an error: what is no pattern to git, such as `[a` or one that ends in a lone backslash,
means nothing. A file may come from anybody, so a name is matched in the product of its length and
the pattern's: 13 stars in a row took the regular expressions of before for ever, and `re` lets no
other thread run meanwhile. Called by `ignore`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

_LITERAL: Final = re.compile(r"[^\\*?\[]*")
_PART: Final = re.compile(
    r"(?P<folders>(?<![^/])(?:\*\*+/)+)|(?P<above>(?<![^/])\*\*+\\/)|(?P<rest>(?<![^/])\*\*+\Z)"
    r"|(?P<some>\*+)|(?P<one>\?)|\\(?P<escaped>.)|(?P<char>[^\\])",
    re.DOTALL,
)
_LEADS: Final = {"folders": "(?:.*?/)??", "above": ".*?/"}
# Longer than all kinds, and bounded: a line of `[:` took the square of its length.
_MEMBER: Final = re.compile(
    r"\[:(?P<kind>[^\]]{0,16}):\]|\\?(?P<first>.)(?:-(?!\])\\?(?P<last>.))?", re.DOTALL
)
_KINDS: Final = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~",
    "space": r" \t\n\r", "upper": "A-Z", "xdigit": "0-9a-fA-F",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a line says.

    Attributes:
        leaves_out: whether what it means is left out; else, with a `!`, that passes.
        only_folders: it ends with a slash.
        of_path: it means the path from the file's folder on; else the last name of that.
        regex: of the whole of that.
    """

    leaves_out: bool
    only_folders: bool
    of_path: bool
    regex: re.Pattern[str]

    def means(self, path: str, is_folder: bool) -> bool:
        """Whether it means exactly this path, from its file's folder on."""
        if self.only_folders and not is_folder:
            return False
        text = path if self.of_path else path.rpartition("/")[2]
        return self.regex.fullmatch(text) is not None


def pattern_of(line: str, ignores_case: bool = False) -> Pattern | None:
    """Return the pattern of a line without its end; None for one that means nothing."""
    text = _without_blanks(line)
    glob = text.removeprefix("!")
    stem = glob.removesuffix("/")
    regex = _regex_of(stem.removeprefix("/"))
    if text.startswith("#") or not regex:
        return None
    flags = re.DOTALL | re.IGNORECASE if ignores_case else re.DOTALL
    return Pattern(
        leaves_out=glob == text,
        only_folders=stem != glob,
        of_path="/" in stem,
        regex=re.compile(regex, flags),
    )


def _without_blanks(line: str) -> str:
    """Return a line without the spaces at its end, but for one behind a backslash."""
    bare = line.rstrip(" ")
    num_backslashes = len(bare) - len(bare.rstrip("\\"))
    return line[: len(bare) + num_backslashes % 2]


def _regex_of(glob: str) -> str | None:
    """Return an expression for what a glob means, None for nothing."""
    literal = _LITERAL.match(glob)
    assert literal is not None
    numbers = count()
    run = _Run(numbers, "", [re.escape(literal[0])])
    runs, rest, at = [run], glob[literal.end() :], 0  # git begins anew there
    while at < len(rest):
        if rest[at] == "[":
            brackets = _brackets_of(rest, at)
            if brackets is None:
                return None
            part, at = brackets
            run.pieces[-1] += part
            continue
        match = _PART.match(rest, at)
        if match is None:  # a lone backslash
            return None
        kind = match.lastgroup or ""
        if kind in _LEADS:
            run = _Run(numbers, _LEADS[kind], [""])
            runs.append(run)
        else:
            run.take(kind, match[kind])
        at = match.end()
    return _joined(runs, numbers)


@dataclass(slots=True)
class _Run:
    """What stands between two `**`: one segment or more, the last maybe open.

    Attributes:
        numbers: for the names of groups.
        lead: expression of the `**` before it.
        pieces: expressions of what stands between the stars of the segment that grows.
        text: expression of the segments before that.
    """

    numbers: Iterator[int]
    lead: str
    pieces: list[str]
    text: str = ""

    def take(self, kind: str, text: str) -> None:
        """Take a part that is no `**`."""
        if kind == "some":
            self.pieces.append("")
        elif text == "/":
            self.text, self.pieces = f"{self.regex()}/", [""]
        else:
            self.pieces[-1] += {"one": "[^/]", "rest": ".*"}.get(kind) or re.escape(text)

    def regex(self) -> str:
        """Return the expression of all of it but the lead."""
        first, *others = self.pieces
        middle = "".join(_nearest(f"[^/]*?{piece}", self.numbers) for piece in others[:-1])
        return f"{self.text}{first}{middle}" + (f"[^/]*{others[-1]}" if others else "")


def _joined(runs: list[_Run], numbers: Iterator[int]) -> str:
    """Return the expression of a pattern.

    All pieces and runs but the last of each have one length, in characters or segments. So where
    one fits at several places the nearest is as good as any, and no other need be tried.
    """
    first, *others = runs
    middle = "".join(_nearest(run.lead + run.regex(), numbers) for run in others[:-1])
    last = others[-1].lead + others[-1].regex() if others else ""
    return first.regex() + middle + last


def _nearest(regex: str, numbers: Iterator[int]) -> str:
    """Return an expression that keeps to its first match: `(?>...)`, which Python 3.10 has not."""
    name = f"nearest_{next(numbers)}"
    return f"(?=(?P<{name}>{regex}))(?P={name})"


def _brackets_of(glob: str, start: int) -> tuple[str, int] | None:
    """Return an expression for brackets, and where they end; None for what git takes for none.

    The first character of a range is in it even if the last comes before that.
    """
    is_negated = glob.startswith(("!", "^"), start + 1)
    members, at = "", start + 1 + is_negated
    while not members or not glob.startswith("]", at):
        member = _MEMBER.match(glob, at)
        if member is None:
            return None
        kind, first, last = member.group("kind", "first", "last")
        if kind is not None and kind not in _KINDS:
            return None
        members += re.escape(first) if kind is None else _KINDS[kind]
        if last and first <= last:
            members += f"-{re.escape(last)}"
        at = member.end()
    return f"(?!/)[{'^' if is_negated else ''}{members}]", at + 1
