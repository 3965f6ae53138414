"""Loops, which small models fall into: a phrase, a line, or some lines, over and over.

What reads as code is judged mildly (`x.parent.parent.parent` is no loop), prose and whole lines
strictly: nobody writes a phrase of three words twice in a row.
"""

from __future__ import annotations

import re
from collections import Counter

_MAX_PERIOD = 4
_MAX_UNIT = 60
_MAX_HELD = 4 * _MAX_UNIT
_TELLING = 8  # letters and digits that make a second copy of lines a loop; below, it is the third
_TELLING_APART = 12  # the same, for a line that comes again and again with others between
_MANY = 4
_UNITS = (
    re.compile(r"(.{2,4}?)\1{5,}"),
    re.compile(r"(.{5,11}?)\1{4,}"),
    re.compile(r"(.{12,19}?)\1{3,}"),
    re.compile(rf"(.{{20,{_MAX_UNIT}}}?)\1{{2,}}"),
)
_MIN_UNITS_LEN, _MIN_RULE_LEN = 24, 100
_PHRASES = (  # three words of prose; five of code
    re.compile(r"\b([^\W\d_]+(?:[ ,]+[^\W\d_]+){2,7})[ ,]+\1\b"),
    re.compile(r"\b([^\W\d][\w.]*(?:[ ,]+[^\W\d][\w.]*){4,9})[ ,]+\1\b"),
)
_ONE_DIGIT = re.compile(r"([^\W_])\1{31,}")
_ONE_CHAR = re.compile(r"(\S)\1{79,}")
_COMMON_LINE = re.compile(r"\W|(?:return|raise|throw|yield|pass|break|continue)\b")


def loop_start(lines: list[str]) -> int | None:
    """Return the index of the first line to drop when the last lines run in a loop.

    A loop is a copy of the one to four lines above, two copies if they say little; blank lines
    between them do not count. Or it is a line that says much and came three times before. The
    first copy stays. The lines are finished ones.
    """
    seen = [idx for idx, line in enumerate(lines) if line.strip()]
    for period in range(1, _MAX_PERIOD + 1):
        telling = _weight("".join(lines[idx] for idx in seen[-period:])) >= _TELLING
        size = period * (2 if telling else 3)
        if len(seen) < size:
            continue
        # Closing brackets one below the other differ in nothing but their indentation.
        copies = [lines[idx].strip() if telling else lines[idx] for idx in seen[-size:]]
        if copies[period:] == copies[:-period]:
            return seen[-size + period]
    last = lines[seen[-1]].strip() if seen else ""
    if _weight(last) < _TELLING_APART or _COMMON_LINE.match(last):
        return None
    return seen[-1] if Counter(line.strip() for line in lines)[last] >= _MANY else None


def num_lines_held(lines: list[str]) -> int:
    """Return how many lines at the end, blank ones counted, could become a copy of those above."""
    seen = [idx for idx, line in enumerate(lines) if line.strip()]
    texts = [lines[idx].strip() for idx in seen]
    for size in range(min(_MAX_PERIOD - 1, len(seen) // 2), 0, -1):
        for period in range(size + 1, min(_MAX_PERIOD, len(seen) - size) + 1):
            if texts[-size:] == texts[-size - period : -period]:
                return len(lines) - seen[-size]
    return 0


def repeats_above(line: str, line_above: str | None) -> bool:
    """Whether a finished line, and one that says something, is the one above once more."""
    if line_above is None or _weight(line) < _TELLING:
        return False
    return line.strip() == line_above.strip()


def may_repeat_above(line: str, line_above: str | None) -> bool:
    """Whether an unfinished line could yet become the one above once more."""
    if line_above is None or _weight(line_above) < _TELLING:
        return False
    return bool(line.strip()) and line_above.strip().startswith(line.strip())


def goes_on_from(lines: list[str], line: str) -> bool:
    """Whether a phrase that began in the lines above comes again in `line`."""
    return _phrase(" ".join(" ".join([*lines[-2:], line]).split())) is not None


def loops_inline(line: str) -> int | None:
    """Return the length that a line with a loop in it is cut to, None if it has none.

    Two copies of a phrase, of which the first stays; or more copies of some other piece, the more
    the shorter it is, and then nothing of the line is worth keeping.
    """
    for pattern in _UNITS:
        for match in pattern.finditer(line):
            unit = match[1]
            min_len = _MIN_UNITS_LEN if _weight(unit) else _MIN_RULE_LEN  # rows of a table
            if len(match[0]) >= min_len and unit.strip() and len(set(unit)) > 1:
                return 0
    if _ONE_DIGIT.search(line):
        return 0
    rule = _ONE_CHAR.search(line)
    return rule.start() + 80 if rule else _phrase(line)


def num_held(line: str) -> int:
    """Return how many characters at the end of an unfinished line repeat what is before them.

    No more than make any of the loops of `loops_inline`, which are judged before.
    """
    longest = 0
    for period in range(5, min(_MAX_UNIT, len(line) - 1) + 1):
        end, stop = len(line), max(period, len(line) - _MAX_HELD)
        while end > stop and line[end - 1] == line[end - 1 - period]:
            end -= 1
        longest = max(longest, len(line) - end)
        if longest >= _MAX_HELD:
            break
    return longest


def _phrase(text: str) -> int | None:
    for pattern in _PHRASES:
        for match in pattern.finditer(text):
            if len(set(re.findall(r"\w+", match[1]))) > 1:  # not `end end end`
                return match.end(1)
    return None


def _weight(text: str) -> int:
    return sum(map(str.isalnum, text))
