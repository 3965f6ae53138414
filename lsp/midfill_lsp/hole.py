"""Infill by a model that only chats: a question that asks for the hole, an answer that is checked.

Pure. The answer may come in a code fence, repeat what stands around the hole, think aloud, or be
prose about code. `clean` returns what belongs into the hole; nothing where that cannot be told.
Called by `backend`.
"""

from __future__ import annotations

import re
from typing import Final

from midfill_lsp.fim_files import OtherFiles, as_comments

SYSTEM: Final = (
    "You complete code at the cursor. You get a file with a marker in the place of some missing "
    "text. Reply with exactly the text that belongs in the place of the marker, and with nothing "
    "else: no explanation, no code fence, nothing of what stands before or after the marker. "
    "Keep the indentation of further lines. If nothing is missing, reply with nothing."
)
_MAX_ECHO_LINES = 40
_MIN_ECHO_CHARS = 3

# Blanks are looked at from the first of them only: from each it took the square of their number.
_THOUGHT = re.compile(r"(?<!\s)\s*<think>.*?(?:</think>\s*|\Z)", re.DOTALL)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^`\n]*\n", re.MULTILINE)
_CLOSING = re.compile(r"(?:\n|(?<![ \t]))[ \t]*(?:```|~~~)[ \t]*(?:\n|\Z)")
_APOLOGY = (
    r"sure\b|certainly\b|of course\b|(?:i'm|i am) (?:sorry|unable|not able)\b|sorry,|"
    r"i (?:cannot|can't|can not|don't|do not|need)\b|as an ai\b|unfortunately\b|"
    r"could you\b|please (?:provide|share|give)\b"
)
_TELLING = (
    r"here(?:'s| is| are)\b|(?:the|this) (?:missing|completed?|corrected|code|function|text|"
    r"marker|snippet|answer)\b|to complete\b|you (?:can|should|could|need)\b|"
    r"based on\b|it (?:looks|seems)\b|nothing (?:is|to|belongs)\b|there is nothing\b"
)
_PROSE = re.compile(rf"\s*(?:{_APOLOGY}|{_TELLING})", re.IGNORECASE)
_PROSE_IN_TEXT = re.compile(rf"\s*(?:{_APOLOGY})", re.IGNORECASE)
_TEXT_HEAD = re.compile(r"""\s*(?:#|//|/\*|\*|--|<!--|%|;|>|- |"{1,3}|'{1,3})|.*["'`][^"'`]*\Z""")


def marker_for(prefix: str, suffix: str) -> str:
    """Return a marker that does not stand in the text."""
    marker, number = "<|HOLE|>", 1
    while marker in prefix or marker in suffix:
        number += 1
        marker = f"<|HOLE-{number}|>"
    return marker


def ask(
    prefix: str,
    suffix: str,
    is_line: bool,
    language_id: str = "",
    others: OtherFiles | None = None,
) -> tuple[str, str]:
    """Return the system's and the user's text that ask for what is missing."""
    shown = as_comments(others) if others else ""
    if shown:
        shown = f"From other files of the project:\n\n{shown}\n"
    marker = marker_for(shown + prefix, suffix)
    kind = f" ({language_id})" if language_id else ""
    length = "at most one line" if is_line else "at most one block"
    question = (
        f"{shown}The missing text stands for {marker} in this file{kind}, and is {length}:\n\n"
        f"{prefix}{marker}{suffix}"
    )
    return SYSTEM, question


def clean(answer: str, prefix: str, suffix: str, finished: bool = True) -> str | None:
    """Return the text for the hole out of an answer.

    Args:
        answer: all of it so far.
        prefix: what was sent before the hole.
        suffix: what was sent behind it.
        finished: no more comes. If not, only whole lines are looked at.

    Returns:
        The text; "" if the answer holds none; None while that cannot be told yet.
    """
    if not finished and "\n" not in answer:
        return None
    text = _THOUGHT.sub("", answer, count=1)
    text, has_fence, is_closed = _unfenced(text)
    if not finished and not is_closed:
        text = text[: max(0, text.rfind("\n"))]
        if not text.strip():
            return None
    head = prefix[prefix.rfind("\n") + 1 :]
    if not has_fence and _is_prose(text, head):
        # A fence may still come; the code in it is what was asked for.
        return "" if finished else None
    if _may_be_echo(text, prefix) and not finished and not is_closed:
        return None
    text = _without_prefix(text, prefix, head)
    text = _without_suffix(text, suffix)
    if (finished or is_closed) and not has_fence:
        text = _without_quotes(text, prefix, suffix)
    return _without_marker(text)


def is_prose(answer: str) -> bool:
    """Return whether an answer that should be code talks about it instead."""
    return bool(_PROSE.match(answer))


def _unfenced(text: str) -> tuple[str, bool, bool]:
    """Return the text inside the first fence, whether there is one, and whether it is closed."""
    opening = _FENCE.search(text)
    if opening is None or (opening.start() and not _PROSE.match(text)):
        return text, False, False
    inside = text[opening.end() :]
    closing = _CLOSING.search(inside)
    if closing is None:
        return inside, True, False
    return inside[: closing.start()], True, True


def _is_prose(text: str, head: str) -> bool:
    """Whether the answer talks about the code; in a comment or a string less counts as that."""
    pattern = _PROSE_IN_TEXT if _TEXT_HEAD.match(head) else _PROSE
    return bool(pattern.match(text))


def _may_be_echo(text: str, prefix: str) -> bool:
    """Whether the answer begins as the prefix does, and its end may bring the hole."""
    first = next((line.strip() for line in prefix.split("\n") if line.strip()), "")
    begun = next((line.strip() for line in text.split("\n") if line.strip()), "")
    return len(first) >= _MIN_ECHO_CHARS and begun == first


def _without_prefix(text: str, prefix: str, head: str) -> str:
    """Return the text behind the longest end of the prefix that it begins with."""
    lines = prefix.split("\n")
    for num_lines in range(min(len(lines), _MAX_ECHO_LINES), 0, -1):
        tail = "\n".join(lines[-num_lines:])
        for echo in (tail, tail.lstrip()):
            if len(echo.strip()) >= _MIN_ECHO_CHARS and text.startswith(echo):
                return text[len(echo) :]
    if _may_be_echo(text, prefix):  # of a prefix with more lines than were compared
        tail = "\n".join(lines[-2:])
        place = text.rfind(tail) if len(tail.strip()) >= _MIN_ECHO_CHARS else -1
        return text[place + len(tail) :] if place >= 0 else ""
    if not head.strip() and head and text.startswith(head):
        return text[len(head) :]  # the indentation that stands there already
    return text


def _without_suffix(text: str, suffix: str) -> str:
    """Return the text before the line from which on it only repeats what stands behind."""
    behind = suffix.strip()
    if len(behind) < _MIN_ECHO_CHARS:
        return text
    lines = text.split("\n")
    for idx in range(1, len(lines)):
        rest = "\n".join(lines[idx:]).strip()
        if len(rest) < _MIN_ECHO_CHARS:
            break
        if behind.startswith(rest) or rest.startswith(behind):
            return "\n".join(lines[:idx])
    return text


def _without_quotes(text: str, prefix: str, suffix: str) -> str:
    """Return a one-line answer without Markdown's quotes, where backticks are no code."""
    bare = text.strip()
    is_quoted = len(bare) > 2 and bare[0] == bare[-1] == "`" and bare.count("`") == 2
    return bare[1:-1] if is_quoted and "`" not in prefix + suffix else text


def _without_marker(text: str) -> str:
    return re.sub(r"<\|HOLE(?:-\d+)?\|>", "", text)
