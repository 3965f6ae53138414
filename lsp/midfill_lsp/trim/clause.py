"""Clauses that go on with the statement whose block ends: `} else {`, `} catch (e) {`, `except E:`.

Pure; called by `block`. Whether the clause fits what stands before is for the brackets' rules and
the parser to say.
"""

from __future__ import annotations

import re

from midfill_lsp.trim import brackets

_BRACE = re.compile(r"[ \t]*\}[ \t]*(?:else|catch|finally)\b.*\{[ \t]*\Z")
_COLON = re.compile(r"[ \t]*(elif|else|except|finally)\b.*:[ \t]*\Z")
_COLON_WORDS = ("elif", "else", "except", "finally")
_AFTER = {
    "if": frozenset({"elif", "else"}),
    "elif": frozenset({"elif", "else"}),
    "try": frozenset({"except", "finally"}),
    "except": frozenset({"except", "else", "finally"}),
}
_WORD = re.compile(r"[ \t]*(\w+)")
_CLOSED = re.compile(r"[ \t]*([)\]}]+)[ \t]*(.*)\Z", re.DOTALL)
_MAY_FOLLOW_BRACE = frozenset(
    {"as", "catch", "else", "finally", "for", "from", "if", "in", "of", "satisfies", "while"}
)


def goes_on(line: str, header: str) -> bool:
    """Whether a whole line ends one block and opens the next of the same statement.

    Args:
        line: the first one behind the block.
        header: the line that opened the block; only words that end in a colon ask for it.
    """
    if _BRACE.match(line):
        return True
    clause, opener = _COLON.match(line), _WORD.match(header)
    return bool(clause and opener and clause[1] in _AFTER.get(opener[1], ()))


def may_go_on(line: str, header: str) -> bool:
    """Whether an unfinished line without brackets could become one for which `goes_on` holds."""
    opener, text = _WORD.match(header), line.strip()
    if opener is None or opener[1] not in _AFTER:
        return False
    return any(word.startswith(text) or text.startswith(word) for word in _COLON_WORDS)


def is_whole_end(line: str, language_id: str) -> bool:
    """Whether all of a line that begins with closing brackets belongs to what they close.

    `}, [items]);` and `) -> int:` do. Of `}, {` or `} x = 1;` only the brackets do: what follows
    opens, or is, something else.
    """
    match = _CLOSED.match(line)
    if match is None or brackets.unmatched(match[2], language_id)[0]:
        return False
    word = _WORD.match(match[2])
    return "}" not in match[1] or word is None or word[1] in _MAY_FOLLOW_BRACE
