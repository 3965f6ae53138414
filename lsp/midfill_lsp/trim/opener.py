"""Lines below which a block begins, one level further in. Pure; called by `indent` and `mode`."""

from __future__ import annotations

import re

PYTHONS = frozenset({"python", "starlark", "bzl", "gdscript"})
COLON_LANGUAGES = PYTHONS | {"yaml", "yaml.docker-compose", "nim"}
"""Languages whose blocks begin with a colon."""
HEADER = re.compile(
    r"[ \t]*(?:(?:async[ \t]+)?(?:def|class|if|elif|else|for|while|with|try|except|finally|match"
    r"|case)\b|[)\]}]).*:\s*\Z"
)
"""A line of Python that ends with a block's colon, and not with that of a dictionary's key."""
_OPENERS = ("{", " then", " do")
_COMMENT = re.compile(r"\s(?:#|//)\s.*\Z")


def begins_level(line: str, language_id: str) -> bool:
    """Whether what stands below is indented by a level; not so behind `(`, where it may hang."""
    line = _COMMENT.sub("", line).rstrip()
    if language_id in PYTHONS:
        return bool(HEADER.match(line))
    return line.endswith((":",) if language_id in COLON_LANGUAGES else _OPENERS)
