"""Where a definition that the text began is over: nobody asked for the next one. Pure.

By the parser where the language has one: a function, class or type at the top or in a class, never
inside of a function, where statements follow. Else by the words that begin a definition, which is
also what the parser's answer is compared with in tests. Called by `block`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from midfill_lsp.trim import brackets, indent
from midfill_lsp.trim.context import TrimContext

_DEFINES = re.compile(
    r"[ \t]*(?:(?:export|default|public|private|protected|internal|static|final|abstract|async"
    r"|pub(?:\([a-z]+\))?|unsafe|declare|const|inline|virtual|override|open|sealed)[ \t]+)*"
    r"(?:def|class|function|func|fun|fn|impl|struct|enum|interface|trait|mod|module|namespace"
    r"|record)\b"
)
_OUTSIDE = re.compile(r"[ \t]*(?:def|func|fun|fn|function)\b")


def is_over(lines: Sequence[str], context: TrimContext) -> bool:
    """Whether the whole lines hold a definition with its body, and nothing of it is left open.

    Args:
        lines: of the suggestion; the first goes on from the cursor's line.
        context: the cursor's surroundings.
    """
    text = "\n".join(lines).rstrip()
    if "\n" not in text or any(brackets.unmatched(text, context.language_id)):
        return False
    if context.soundness is not None and context.soundness.knows:
        return context.soundness.holds_definition(text)
    return _begins_one(lines, context)


def _begins_one(lines: Sequence[str], context: TrimContext) -> bool:
    if context.above_level is not None and _OUTSIDE.match(context.above_level):
        return False  # inside of a function
    for idx, line in enumerate(lines):
        full = context.head + line if not idx else line
        if indent.width(full) == context.level and _DEFINES.match(full):
            below = [other for other in lines[idx + 1 :] if other.strip()]
            return any(indent.width(other) > context.level for other in below)
    return False
