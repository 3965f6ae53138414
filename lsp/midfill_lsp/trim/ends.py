"""The least that would end a text that stops in the middle of something. Called by `sound`.

None of it is ever shown: it tells what is only incomplete from what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from midfill_lsp.trim import brackets, lexer

_TRY = re.compile(r"([ \t]*)try:\s*\Z")
_HEADER = re.compile(
    r"[ \t]*(?:async[ \t]+)?(?:def|class|if|elif|else|for|while|with|except|match|case)\b"
)
_EXCEPT = re.compile(r"[ \t]*(?:except|finally)\b")
_SCRIPT = ((";", " x", " x;", " {}"), (";", " catch (e) {}", " while (x);"))
_C = ((";", " x", " x;", " {}", "\n#endif"), (";", " while (x);", "\n#endif"))
_BY_LANGUAGE: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "javascript": _SCRIPT,
    "typescript": _SCRIPT,
    "tsx": _SCRIPT,
    "c": _C,
    "cpp": (_C[0], (*_C[1], " catch (...) {}")),
    "go": ((" x", " {}"), ()),
    "rust": ((";", " x", " x;", " {}", "\nfn f() {}"), (";",)),
    "java": ((";", " x", " x;", " {}", "\nvoid f() {}"), (";", " catch (E e) {}", " while (x);")),
}
"""What may end a text before its open brackets are closed, and what behind them."""


def ended(text: str, language: str, head: str, unit: str) -> Iterator[str]:
    """Yield the text as it is, and then with what could end it, the likeliest first.

    Args:
        text: what stands behind the cursor then.
        language: a name of `syntax.languages`.
        head: text of the cursor's line before the cursor.
        unit: one level of indentation more.
    """
    yield text
    open_text = lexer.text_closer(text, language)
    if open_text:
        yield text + open_text
        return
    closers = _closers(text, language)
    if closers:
        yield text + closers
        yield text + "\n" + closers
    more = _closers(head + text, language)
    if more != closers:
        yield text + "\n" + more
    if language == "python":
        yield from _python(text, closers, head, unit)
        return
    inside, behind = _BY_LANGUAGE[language]
    for end in behind if closers else ():
        yield text + closers + end
    for end in inside:
        yield text + end + closers


def _closers(text: str, language: str) -> str:
    openers, _ = brackets.unmatched(text, language)
    return "".join(bracket.closer for bracket in reversed(openers))


def _python(text: str, closers: str, head: str, unit: str) -> Iterator[str]:
    """Yield the text with a body behind its last header, an `except`, or something decorated."""
    lines = (head + text).split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    level = last[: len(last) - len(last.lstrip())]
    body = f"{closers}\n{level}{unit}pass"
    excepts = "".join(_excepts(lines))
    yield text + body
    if _HEADER.match(last):
        yield f"{text}{closers}:\n{level}{unit}pass"
    if excepts:
        yield text + closers + excepts
        yield text + body + excepts
    yield f"{text}{closers}\n{level}def f(): pass"
    yield f"{text} x{closers}"


def _excepts(lines: list[str]) -> Iterator[str]:
    """Yield an `except` for each `try` that has none, innermost first."""
    for idx in range(len(lines) - 1, -1, -1):
        match = _TRY.match(lines[idx])
        if match is None:
            continue
        below = (line for line in lines[idx + 1 :] if line.startswith(match[1]))
        if not any(
            _EXCEPT.match(line[len(match[1]) :]) and _same(line, match[1]) for line in below
        ):
            yield f"\n{match[1]}except E: pass"


def _same(line: str, blanks: str) -> bool:
    return not line[len(blanks) :][:1].isspace()
