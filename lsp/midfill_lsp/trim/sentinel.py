"""Control tokens of the model families, and control characters, which must never reach the user.

Characters that move what is shown to where it does not stand are among them (Unicode's explicit
directions: "Trojan Source", arXiv:2111.00169).
"""

from __future__ import annotations

import re

_BAR = "[|\uff5c]"  # DeepSeek writes the full-width one, and U+2581 for a space
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]")
_DIRECTION = "[\u202a-\u202e\u2066-\u2069]"
_SENTINEL = re.compile(
    "[ \u2581]?<(?:EOT|PRE|SUF|MID|EOD|/?s|unk|pad|bos|eos|mask)>"
    "|<(?:fim_(?:prefix|middle|suffix|pad)|file_sep|endoftext|filename|reponame|gh_stars"
    "|issue_start|issue_comment|issue_closed|jupyter_[a-z]+|empty_output|commit_[a-z]+)>"
    f"|<{_BAR}(?:[a-z]+[_\u2581])*[a-z]+{_BAR}>"
    r"|\[(?:PREFIX|SUFFIX|MIDDLE)\]"
    f"|(?P<control>{_CONTROL.pattern}|{_DIRECTION})"
)
_PARTIAL = re.compile(
    "(?:\u2581|[ \u2581]?<[/|\uff5c]?[A-Za-z_\u2581]{0,24}[|\uff5c]?|" + r"\[[A-Z]{0,6})\Z"
)
_STARTS = (
    *("<EOT>", "<PRE>", "<SUF>", "<MID>", "<EOD>", "<s>", "</s>", "<unk>", "<pad>", "<bos>"),
    *("<eos>", "<mask>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>"),
    *("<file_sep>", "<endoftext>", "<filename>", "<reponame>", "<gh_stars>", "<issue_start>"),
    *("<issue_comment>", "<issue_closed>", "<empty_output>"),
    *("[PREFIX]", "[SUFFIX]", "[MIDDLE]"),
)
_OPEN_ENDED = ("<|", "<\uff5c", "<jupyter_", "<commit_")
_MARKUP = frozenset({"html", "xml", "vue", "svelte", "markdown", "javascriptreact", "php"})


def find(text: str, language_id: str, document: str) -> int | None:
    """Return where `text` has to end for the first of them.

    That is before a token and the space some families put before it, and before the line that a
    control character stands in, which would be half a line. `<s>` and `</s>` strike text out in
    HTML and stay there; so do control characters that the document has, but for directions.

    Args:
        text: what the model wrote.
        language_id: as the editor names it.
        document: what stands around the cursor.
    """
    known: frozenset[str] | None = None
    for match in _SENTINEL.finditer(text):
        if language_id in _MARKUP and match[0].strip(" \u2581") in ("<s>", "</s>"):
            continue
        if not match["control"]:
            return match.start()
        if known is None:
            known = frozenset(_CONTROL.findall(document))
        if match[0] not in known:
            return text.rfind("\n", 0, match.start()) + 1
    return None


def num_held(text: str) -> int:
    """Return how many characters at the end could be the start of a sentinel."""
    match = _PARTIAL.search(text)
    if match is None:
        return 0
    if match[0] == "\u2581":
        return 1
    tail = match[0].lstrip(" \u2581")
    if tail.startswith(_OPEN_ENDED) or any(
        start.startswith(tail) for start in (*_STARTS, *_OPEN_ENDED)
    ):
        return len(match[0])
    return 0
