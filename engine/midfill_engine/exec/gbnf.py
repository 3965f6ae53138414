r"""GBNF, llama.cpp's notation, spelled so that llguidance's converter takes all of it.

The converter writes names in lower or upper case with underscores, so that some meet, and `start`
is its own; `\u00e9` loses its zeros, `\[` in a literal and `&&` in a class mean something else to
llguidance, and its `.` matches no newline. Source: `llama-grammar.cpp` of llama.cpp, `parse_char`
and `parse_sequence`. Pure text; called by `grammar_source`.
"""

from __future__ import annotations

import re
from typing import Final

from midfill_engine.errors import GrammarError

MAX_DEPTH: Final = 1000
"""Of rules that lead to each other; a chain of 4,780 took 10 s to compile (docs/log.md)."""
MAX_DEPTHS: Final = 1_000_000
"""Of all rules' depths together: two chains of 980 take 1.3 s where one takes 0.65."""
_CHAR: Final = r"(?:\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}|\\.|[^\\])"
_CHARS: Final = re.compile(_CHAR, re.DOTALL)
_RANGES: Final = re.compile(rf"({_CHAR})(?:-({_CHAR}))?", re.DOTALL)
_PARTS: Final = re.compile(
    r"""
    \#[^\r\n]*|\{[\d\s,]*\}  # a comment; how often something is repeated
    |"(?P<literal>(?:\\.|[^"\\])*)"
    |\[(?P<negated>\^?)(?P<ranges>(?:\\.|[^\]\\])*)\]
    |(?P<name>[\w-]+)(?P<begins>\s*::=)?
    |(?P<any>\.)
    |["\[].*  # without an end: taken whole, or each would be sought to the end of the text
    """,
    re.DOTALL | re.VERBOSE,
)
_ANY: Final = f"[\\x00-{chr(0x10FFFF)}]"
_ESCAPED: Final = {"t": "\t", "r": "\r", "n": "\n", **{char: char for char in '\\"[]-'}}


def spelled(text: str) -> str:
    """The same grammar; its rules but `root` are named r1, r2, ...

    What is malformed stays so, and is for the converter to refuse.

    Raises:
        GrammarError: an escape stands for no character.
    """
    names = {"root": "root"}
    references: dict[str, list[str]] = {}
    current: list[str] = []

    def part(match: re.Match[str]) -> str:
        nonlocal current
        if (literal := match["literal"]) is not None:
            return '"' + _CHARS.sub(lambda char: _spelled_char(char[0]), literal) + '"'
        if match["ranges"] is not None:
            return f"[{match['negated']}{_RANGES.sub(_spelled_range, match['ranges'])}]"
        if match["name"] is not None:
            name = names.setdefault(match["name"], f"r{len(names)}")
            if match["begins"] is not None:
                current = references.setdefault(name, [])
                return name + match["begins"]
            current.append(name)
            return name
        return match[0] if match["any"] is None else _ANY

    rewritten = _PARTS.sub(part, text)
    _check_depth(references)
    return rewritten


def _check_depth(references: dict[str, list[str]]) -> None:
    """Refuse a chain of references that the library would follow for seconds.

    The longest there is, however its rules are reached; one that leads back to itself ends there.
    So are many that are not so long.
    """
    total = 0
    depths: dict[str, int | None] = {"root": None}  # None: of a rule that is on the path
    path = [("root", iter(references.get("root", ())))]
    longest = [0]  # of what each rule on the path leads to, so far
    while path:
        if max(len(path), longest[-1] + 1) > MAX_DEPTH:
            raise GrammarError(f"its rules lead to each other more than {MAX_DEPTH} deep")
        rule, left = path[-1]
        name = next(left, None)
        if name is None:
            path.pop()
            depths[rule] = depth = longest.pop()
            total += depth
            if total > MAX_DEPTHS:
                raise GrammarError("its rules lead to each other in too many long chains")
            if longest:
                longest[-1] = max(longest[-1], depth + 1)
        elif name not in depths:
            depths[name] = None
            path.append((name, iter(references.get(name, ()))))
            longest.append(0)
        elif (known := depths[name]) is not None:
            longest[-1] = max(longest[-1], known + 1)


def _spelled_range(match: re.Match[str]) -> str:
    return "-".join(_spelled_char(char) for char in match.groups() if char is not None)


def _spelled_char(source: str) -> str:
    """One character or escape of a literal or class, so that it means only itself."""
    char = source
    if len(source) > 2:
        char = _char_of(source)
    elif source[0] == "\\":
        if source[1] not in _ESCAPED:
            return source
        char = _ESCAPED[source[1]]
    return char if char.isalnum() or char > "\xff" else f"\\x{ord(char):02x}"


def _char_of(escape: str) -> str:
    code = int(escape[2:], 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise GrammarError(f"{escape} is no character")
    return chr(code)
