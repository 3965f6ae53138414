"""Private keys in text: blocks over several lines, in PEM or PuTTY's form. Pure.

A block that begins or ends outside of the text is one too, as far as its lines look like Base64.
Called by `secret_lines`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

_BEGIN = re.compile(r"BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY|PuTTY-User-Key-File")
_END = re.compile(r"END (?:[A-Z0-9]+ ){0,4}PRIVATE KEY")
# A line of a key, maybe as a string or a comment of some language.
_LEAD = re.compile(r"[\s\"'`+(,#/*>]*")
_BODY = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_TAIL = re.compile(r"(?:\\n|\\r|[\s\"'`+),;\\])*\Z")
_BETWEEN = re.compile(r"\s*(?:[A-Z][A-Za-z-]*: .*|\+[\s\\]*)?\Z")  # a header, or a lone `+`
_RUN = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")
_MIN_LONE_CHARS = 40
# Base64 of random bytes has 5 bits a character and more at such lengths, a name in camel case 4.
_MIN_LONE_BITS = 4.5


def key_spans(lines: Sequence[str], inside: bool) -> tuple[dict[int, list[tuple[int, int]]], bool]:
    """Return where keys stand, by line, and whether one goes on behind the last.

    Args:
        lines: a part of a text.
        inside: whether a key goes on from the part before.
    """
    spans: dict[int, list[tuple[int, int]]] = {}
    for idx, line in enumerate(lines):
        begin = _BEGIN.search(line) if "KEY" in line or "PuTTY" in line else None
        if begin is not None:
            end = _END.search(line, begin.end())
            stop = end.start() if end else len(line)
            # Escaped line ends join a key to one line; their letter is no part of it.
            runs = [match.span() for match in _RUN.finditer(line, begin.end(), stop)]
            inside = end is None
        elif inside and (body := _body(line)):
            runs = [body.span()]
        elif inside and _BETWEEN.match(line):
            continue
        else:
            inside = False
            runs = [body.span()] if (body := _lone(line)) else []
        if runs:
            spans[idx] = runs
    return spans, inside


def _body(line: str) -> re.Match[str] | None:
    """Return the match of the Base64 in a line with nothing else but quotes, commas and such.

    Each step goes over the line once. One expression of all three took the cube of its length,
    where they may all match a `+`: 5 s at 1,000.
    """
    lead = _LEAD.match(line)
    assert lead is not None
    body = _BODY.match(line, len(lead[0].rstrip("+/")))  # which Base64 may begin with
    return body if body and _TAIL.match(line, body.end()) else None


def _lone(line: str) -> re.Match[str] | None:
    """Return the match of a line that looks like a key's, with no beginning seen."""
    if len(line) < _MIN_LONE_CHARS or (body := _body(line)) is None:
        return None
    text = body[0]
    if len(text) < _MIN_LONE_CHARS:
        return None
    bits = -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
    return body if bits > _MIN_LONE_BITS else None
