"""Control tokens of the model families, which must never reach the user."""

from __future__ import annotations

import re

_BAR = "[|｜]"
_SENTINEL = re.compile(
    "[ ▁]?<(?:EOT|PRE|SUF|MID|EOD|/?s|unk|pad|bos|eos|mask)>"
    "|<(?:fim_(?:prefix|middle|suffix|pad)|file_sep|endoftext|filename|reponame|gh_stars"
    "|issue_start|issue_comment|issue_closed|jupyter_[a-z]+|empty_output|commit_[a-z]+)>"
    f"|<{_BAR}(?:[a-z]+[_▁])*[a-z]+(?:[_▁][a-z]+)*{_BAR}>"
    r"|\[(?:PREFIX|SUFFIX|MIDDLE)\]"
)
_PARTIAL = re.compile(r"(?:[ ▁]?<[/|｜]?[A-Za-z_▁]{0,24}[|｜]?|\[[A-Z]{0,6})\Z")
_STARTS = (
    "<EOT> <PRE> <SUF> <MID> <EOD> <s> </s> <unk> <pad> <bos> <eos> <mask> <fim_prefix> "
    "<fim_middle> <fim_suffix> <fim_pad> <file_sep> <endoftext> <filename> <reponame> <gh_stars> "
    "<issue_start> <issue_comment> <issue_closed> <jupyter_ <empty_output> <commit_ "
    "[PREFIX] [SUFFIX] [MIDDLE]"
).split()
_MARKUP = frozenset({"html", "xml", "vue", "svelte", "markdown", "javascriptreact", "php"})


def find(text: str, language_id: str) -> int | None:
    """Return where the first sentinel starts, with the space some families put before it.

    `<s>` and `</s>` strike text out in HTML and stay there.
    """
    for match in _SENTINEL.finditer(text):
        if language_id in _MARKUP and match[0].strip(" ▁") in ("<s>", "</s>"):
            continue
        return match.start()
    return None


def num_held(text: str) -> int:
    """Return how many characters at the end could be the start of a sentinel."""
    match = _PARTIAL.search(text)
    if match is None:
        return 0
    tail = match[0].lstrip(" ▁")
    open_ended = tail.startswith(("<|", "<｜"))
    if open_ended or any(start.startswith(tail) for start in _STARTS):
        return len(match[0])
    return 0
