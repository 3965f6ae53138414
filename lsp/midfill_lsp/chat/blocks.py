r"""The code blocks of an answer, by the CommonMark parser `markdown-it-py`. Pure.

    content   Here it is:\n```python\nx = 1\n```\nDone.
    block                            [--------)         lines [2, 3) of the content

While an answer grows, its last block may lack its closing fence: it is a block all the same, and
`is_closed` says so. Code that is only indented, without a fence, is no block: in an answer that is
more often a list's continuation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_LANGUAGE: Final = re.compile(r"[\w+#.-]{1,40}")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        language: as the fence names it, "" if it does not.
        text: the code, its lines ended by LF.
        start_line: of the content, from 0: the first line of code.
        end_line: the line behind the last one of code.
        is_closed: whether the closing fence has come.
    """

    language: str
    text: str
    start_line: int
    end_line: int
    is_closed: bool


def find_blocks(content: str) -> tuple[Block, ...]:
    r"""Return the fenced blocks of an answer, finished or not, in their order.

    >>> find_blocks("See:\n```py\nx = 1\n```\n")
    (Block(language='py', text='x = 1\n', start_line=2, end_line=3, is_closed=True),)
    """
    if "```" not in content and "~~~" not in content:
        return ()
    content = content.replace("\r\n", "\n").replace("\r", "\n")
    lines = content.split("\n")
    found: list[Block] = []
    for token in _parser().parse(content):
        if token.type != "fence" or token.map is None:
            continue
        start, end = token.map
        named = _LANGUAGE.match(token.info.strip())
        is_closed = end - start > 1 and _closes(lines[end - 1], token.markup)
        found.append(
            Block(
                language=named.group() if named else "",
                text=token.content,
                start_line=start + 1,
                end_line=end - 1 if is_closed else start + 1 + _num_lines(token.content),
                is_closed=is_closed,
            )
        )
    return tuple(found)


def _num_lines(text: str) -> int:
    return text.count("\n") + bool(text and not text.endswith("\n"))


def _closes(line: str, markup: str) -> bool:
    """Whether a line, perhaps of a list or quotation, is the fence that closes a block."""
    bare = line.lstrip(" >\t").rstrip()
    return len(bare) >= len(markup) and set(bare) == {markup[0]}


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    # Imported at first use: the language server starts without it.
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark")
