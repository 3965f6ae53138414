"""The words of code that tell what it is about. Pure. Called by the sources and by `score`."""

from __future__ import annotations

import re
from typing import Final

_WORD = re.compile(r"[^\W\d]\w{2,}")
# In several languages at once these stand everywhere, and say nothing of what stands near them.
_COMMON: Final = (
    "and are assert async await bool break case catch char class const continue def default del "
    "elif else enum except export extends false final finally float fn for from func function "
    "global has if impl implements import int interface is its let long match mod module new nil "
    "none not null package pass private protected pub public raise return self short static str "
    "string struct super switch that the this throw throws trait true try type typedef undefined "
    "union unsigned use using var void when where while with yield"
)
_COMMON_WORDS: Final = frozenset(_COMMON.split())


def words(text: str) -> list[str]:
    """Return the words of three characters and more, those that stand everywhere left out."""
    return [word for word in _WORD.findall(text) if word.lower() not in _COMMON_WORDS]
