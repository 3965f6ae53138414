"""What needs no model: nothing, two ways of copying from the text before the cursor, and bounds.

Called by ``bench.quality``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from training.reference import Vocabulary

from bench.cases import Case
from bench.scores import cut, edit_similarity

MAX_MATCH_CHARS = 2000


def copy_line(case: Case) -> str:
    """Returns what followed in the most similar earlier line of the file, and the lines after it.

    Most similar: the longest common beginning, indentation aside; the latest of equals. The text
    is taken from behind the longest end of the typed part that stands in that line. As many lines
    as are expected.
    """
    lines = case.prefix.split("\n")
    *earlier, head = (line.strip() for line in lines)
    if case.prefix.endswith(" ") and head:
        head += " "
    rows = range(len(earlier) - 1, -1, -1)
    row = max(rows, key=lambda idx: common_len(earlier[idx], head), default=None)
    if row is None:
        return ""
    more = lines[row + 1 : -1][: case.num_lines - 1]
    return cut("\n".join([rest_after(earlier[row], head), *more]), case.num_lines)


def copy_suffix(case: Case) -> str:
    """Returns what followed the longest earlier occurrence of the text before the cursor.

    A stronger copy than ``copy_line``: the match may reach over lines. As many lines as are
    expected.
    """
    text = case.prefix
    low, high = 0, min(len(text) - 1, MAX_MATCH_CHARS)
    while low < high:
        middle = (low + high + 1) // 2
        if text.rfind(text[-middle:], 0, len(text) - 1) >= 0:
            low = middle
        else:
            high = middle - 1
    if low == 0:
        return ""
    end = text.rfind(text[-low:], 0, len(text) - 1) + low
    return cut(text[end:], case.num_lines)


def rest_after(line: str, head: str) -> str:
    """Returns the part of ``line`` behind the longest end of ``head`` that stands in it."""
    for start in range(len(head)):
        place = line.rfind(head[start:])
        if place >= 0:
            return line[place + len(head) - start :].rstrip()
    return line


def common_len(one: str, other: str) -> int:
    """Returns the length of the common beginning."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def gold(vocabulary: Vocabulary, case: Case, num_predict: int) -> str:
    """Returns the true text as far as a completion could say it: its first ``num_predict`` ids.

    The bound that the tokenizer, the length limit and the scoring leave; no model is above it.
    """
    return vocabulary.decode(vocabulary.encode(case.expected)[:num_predict])


def oracle(cases: Sequence[Case], rows: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns for each case the best text of all rows: what a perfect choice of them would give.

    The bound that is left when these very completions are only re-ranked.
    """
    best: list[str] = []
    for idx, case in enumerate(cases):
        want = cut(case.expected, case.num_lines)
        texts = {cut(texts[idx], case.num_lines) for texts in rows.values()}
        best.append(max(sorted(texts), key=lambda text: edit_similarity(want, text)))
    return best
