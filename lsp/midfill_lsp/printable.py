"""Text from outside as it may be shown: no character of it is an order to a terminal. Pure.

What a server, a model or a repository wrote may hold escapes, which set a terminal's clipboard and
title or hide what stands above them. Called wherever such a text is told or printed.
"""

from __future__ import annotations

from typing import Final

_MAX_MESSAGE_CHARS: Final = 300
# Unicode's control characters (Cc); a carriage return goes back over what stands before it.
_SHOWN: Final = {code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    ord("\n"): "\n", ord("\t"): "\t", ord("\r"): "",
}  # fmt: skip


def printable(text: str) -> str:
    """Return `text` with a mark for each control character; line ends and tabs stay.

    Each character is looked at by itself, so that a text may come in pieces.
    """
    return text.translate(_SHOWN)


def one_line(text: str) -> str:
    """Return `text` printable, without line ends, and of a length that can be shown."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= _MAX_MESSAGE_CHARS else line[: _MAX_MESSAGE_CHARS - 1] + "…"
