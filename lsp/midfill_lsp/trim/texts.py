"""Docstrings, comments of several lines and strings around the cursor. Pure.

Where the document ends the one that the cursor stands in, and whether quotes begin one or end it;
told by what stands beside them, since a lexer that begins in the middle takes each for the other.
Called by `context` and `sound`.
"""

from __future__ import annotations

import re

from midfill_lsp.trim import lexer, opener

_TRIPLES = ('"""', "'''")
_COMMENTS = ("/*", "/**", "/*!")
_KIND = re.compile(r"(?<!\w)[A-Za-z]{1,2}\Z")  # such as the `r` of `r"""`
_BEFORE_VALUE = re.compile(r"(?:[=(\[{,+%:]|\b(?:return|yield))\Z")
_WORD = r"\w(?:[\w'-]*\w)?"
_PROSE = re.compile(  # words before a comma or a colon: no value stands behind them
    rf"(?!(?:assert|return|yield|lambda|not|await)\b){_WORD}(?:[ \t]+{_WORD})+[,:]\Z"
)
_HEADER = re.compile(  # of one line, or the last line of it
    r"(?:[ \t]*(?:async[ \t]+)?(?:def|class|func)\b.*"
    r"|[^()]*(?:\([^()]*\)[^()]*)*\)(?:[ \t]*->.*)?):[ \t]*(?:#.*)?\Z"
)
_BEHIND_END = re.compile(
    r"[ \t]*(?:[)\]},;:.%#+]|[=!]=|\Z)|[ \t]+(?:if|else|for|and|or|not|in|is)\b"
)
_OPENS_COMMENT = re.compile(r"(?<!\S)/\*")
_STARRED = re.compile(r"[ \t]*\*(?!\S)")  # a line of a comment, whatever it looks like
_COMMENT = re.compile(r"(?<!\S)(?:#|//|--)(?!\S)")
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")


def is_triple(text: str, offset: int, language_id: str) -> bool:
    """Whether three quotes stand there, and `begins` knows them: there a header has a colon."""
    return language_id in opener.COLON_LANGUAGES and text.startswith(_TRIPLES, offset)


def begins(text: str, offset: int) -> bool:
    """Whether the three quotes at `offset` look like the beginning of a string, not like its end.

    They stand where a value does; or begin a line, and text follows on it or a header stands above
    it, comments aside, or nothing.
    """
    before = _before(text, offset)
    if before:
        return bool(_BEFORE_VALUE.search(before)) and not _PROSE.match(before)
    if not _BEHIND_END.match(text[offset + 3 :].partition("\n")[0]):
        return True
    above = text[: text.rfind("\n", 0, offset) + 1].split("\n")
    line = next((line for line in reversed(above) if line.strip() and line.lstrip()[0] != "#"), "")
    return not line or bool(_HEADER.match(line))


def is_ended(token: str, suffix: str, language_id: str) -> bool:
    """Whether the document ends a string or a comment behind the cursor.

    No if in doubt: of a quote below the cursor's line it is seldom known whether it begins one.

    Args:
        token: what of it stands before the cursor.
        suffix: the text behind.
        language_id: as the editor names it.
    """
    opener, closer = lexer.opener_of(token), lexer.closer_of(token)
    if closer is None:
        return False
    line = suffix.partition("\n")[0]
    if opener == "/*":
        return _comment_is_ended(line, suffix[: lexer.WINDOW_CHARS])
    if closer == "'":
        line = _without_apostrophes(line)
    if line.count(closer) % 2:
        return lexer.end_of(opener, line, language_id) is not None
    below = suffix[: lexer.WINDOW_CHARS]
    end = below.find(closer)
    if closer in line or end < 0:
        return False
    if is_triple(opener, 0, language_id):
        return not begins(token + below, len(token) + end)
    if lexer.ending_of(token) != "text" or lexer.hole_depth(token, closer, language_id):
        return False
    return _stands_alone(below, end, opener, closer)


def first_line_opener(token: str, prefix: str, language_id: str) -> str:
    """Return what opens a docstring or a comment whose next line may be the cursor's; else "".

    That is one with nothing in it yet, or on a blank line of it. Lines of a string that is no
    docstring stay where they are.

    Args:
        token: what of it stands before the cursor.
        prefix: the text before the cursor.
        language_id: as the editor names it.
    """
    opener, start = lexer.opener_of(token), len(prefix) - len(token)
    is_docstring = is_triple(prefix, start, language_id) and not _before(prefix, start)
    is_comment = opener.startswith(("/*", "--["))
    if not is_comment and not (is_docstring and begins(prefix, start)):
        return ""
    head = token[token.rfind("\n") + 1 :]
    is_bare = token.rstrip(" \t") in (opener, *_COMMENTS)
    return opener if is_bare or not head.strip() else ""


def _before(text: str, offset: int) -> str:
    """Return what stands before a string on the line that it begins in, blanks around it cut."""
    return _KIND.sub("", text[text.rfind("\n", 0, offset) + 1 : offset]).strip()


def _comment_is_ended(line: str, suffix: str) -> bool:
    """Whether the first end of a comment in `suffix` is not that of another one, nor in a string.

    Args:
        line: the first of `suffix`.
        suffix: the text behind the cursor.
    """
    end = suffix.find("*/")
    if end < 0:
        return False
    lines = suffix[:end].split("\n")
    if any(_OPENS_COMMENT.search(one) for one in lines if not _STARRED.match(one)):
        return False
    behind = suffix[end + 2 :].partition("\n")[0]
    return end < len(line) or not behind.strip() or _STARRED.match(lines[-1]) is not None


def _stands_alone(suffix: str, offset: int, opener: str, closer: str) -> bool:
    """Whether the first closer below the cursor's line, at `offset`, is the end of a string.

    It is the first of its line, with no value behind it, and the string's own: no other begins
    before it, or those below come in pairs.
    """
    head, behind = suffix[suffix.rfind("\n", 0, offset) + 1 : offset], offset + len(closer)
    if head.strip(" \t-") or not _BEHIND_END.match(suffix[behind:].partition("\n")[0]):
        return False
    if opener != closer:
        return opener.lstrip("-") not in suffix[:offset]
    return suffix.count(closer, behind) % 2 == 0


def _without_apostrophes(line: str) -> str:
    """Return the rest of a line without what in its comment is part of a word."""
    comment = _COMMENT.search(line)
    if comment is None:
        return line
    return line[: comment.end()] + _APOSTROPHE.sub("", line[comment.end() :])
