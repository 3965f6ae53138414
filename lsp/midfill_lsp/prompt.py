r"""Cuts the text around the cursor to its budget. Pure: knows no editor, engine or tokenizer.

The prefix's window is anchored: its start stays where it is while the user types, so that the
engine's key/value cache keeps holding and typing only appends. The suffix stands first in most
prompts, so a closer that the editor adds behind the cursor would change all of them: the suffix
that is sent is frozen while one types before it.

    document   print(foo(|))\nmore        sent   \nmore      brackets that are open anyway
    document   print(foo()|)\nmore        sent   \nmore
    document   print(foo())|\nmore        sent   \nmore
    document   print(foo()) + |bar\nmore  sent   bar\nmore   anything else thaws it

`complete` calls this, and trims with the suffix as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from midfill_lsp.lines import whole_characters
from midfill_lsp.named_values import clear_end, clear_start

_CLOSES = {"(": ")", "[": "]", "{": "}"}
_QUOTES = frozenset("\"'`")
_MAY_BE_HIDDEN = frozenset(_CLOSES.values()) | _QUOTES | frozenset(" \t\n")
_MAX_HIDDEN_CHARS = 256
_LOOK_BACK_CHARS = 4_000
_MOST_WORD_CHARS = 400
_MAX_DOCUMENTS = 64
_BLOCK_LINES = 128


@dataclass(frozen=True, slots=True)
class Prompt:
    """Text for the engine, with LF as the only line end.

    Attributes:
        prefix: ends at the cursor; starts at the start of `first_line` unless that line alone is
            over the budget.
        suffix: starts at the cursor; ends with a whole line unless its first is over the budget.
        first_line: index of the document's line that the prefix starts in.
        lines_below: lines of the document below the cursor's.
        ahead: the suffix, and somewhat more of the text behind it.
        whole: whether the suffix reaches the document's end.
    """

    prefix: str
    suffix: str
    first_line: int
    lines_below: int
    ahead: str
    whole: bool


def build(
    lines: Sequence[str], line_idx: int, column: int, prefix_chars: int, suffix_chars: int
) -> Prompt:
    """Return the windows around a cursor given in code points.

    Args:
        lines: the document, line ends kept.
        line_idx: the cursor's line.
        column: the code points before the cursor in that line.
        prefix_chars: upper bound of the prefix; where there is text, at least half of it is used,
            but for the secret or the word that a cut within a line would fall into.
        suffix_chars: upper bound of the suffix.
    """
    head = lines[line_idx][:column]
    if len(head) > prefix_chars:
        start = _anchor(column - prefix_chars, column - prefix_chars // 2)
        start = clear_start(lines[line_idx], start, min(prefix_chars // 4, _MOST_WORD_CHARS))
        prefix, first_line = head[start:], line_idx
    else:
        first_line = _first_line(lines, line_idx, prefix_chars - len(head))
        prefix = "".join(lines[first_line:line_idx]) + head
    suffix, end = _suffix(lines, line_idx, column, suffix_chars)
    ahead, _ = _suffix(lines, line_idx, column, suffix_chars + 2 * _MAX_HIDDEN_CHARS)
    return Prompt(
        prefix=plain(prefix),
        suffix=plain(suffix),
        first_line=first_line,
        lines_below=len(lines) - line_idx - 1,
        ahead=plain(ahead),
        whole=end == len(lines) and len(suffix) >= len(lines[line_idx]) - column,
    )


@dataclass(frozen=True, slots=True)
class _Frozen:
    """A suffix that was sent, and its place: so many lines of the document are below its first."""

    text: str
    lines_below: int
    whole: bool


class FrozenSuffixes:
    """The suffix that each document's prompts are sent with."""

    def __init__(self) -> None:
        """Begin with none."""
        self._frozen: dict[str, _Frozen] = {}

    def peek(self, document: str, prompt: Prompt) -> str:
        """Return what `hold` would, and freeze nothing."""
        return self._fitting(document, prompt).text

    def hold(self, document: str, prompt: Prompt) -> str:
        """Return the suffix to send.

        That is the last one of the document while nothing but blanks and closers of what is open
        before the cursor stands between the cursor and it; else the prompt's own, from then on.
        """
        frozen = self._fitting(document, prompt)
        self._frozen.pop(document, None)
        self._frozen[document] = frozen  # the latest is the last
        if len(self._frozen) > _MAX_DOCUMENTS:
            del self._frozen[next(iter(self._frozen))]
        return frozen.text

    def _fitting(self, document: str, prompt: Prompt) -> _Frozen:
        frozen = self._frozen.get(document)
        if frozen is not None and _still_stands(frozen, prompt):
            return frozen
        return _Frozen(prompt.suffix, prompt.lines_below, prompt.whole)


def _still_stands(frozen: _Frozen, prompt: Prompt) -> bool:
    ahead = prompt.ahead
    for num_hidden in range(min(len(ahead), _MAX_HIDDEN_CHARS) + 1):
        hidden = ahead[:num_hidden]
        if hidden and hidden[-1] not in _MAY_BE_HIDDEN:
            return False
        behind_len = len(ahead) - num_hidden
        if ahead.startswith(frozen.text, num_hidden) and (
            not frozen.whole or behind_len == len(frozen.text)
        ):
            lines_below = prompt.lines_below - hidden.count("\n")
            return lines_below == frozen.lines_below and _is_implied(hidden, prompt.prefix)
    return False


def _is_implied(hidden: str, prefix: str) -> bool:
    """Whether `hidden` only closes what is open before the cursor, innermost first.

    Brackets in strings and comments count as any others: a wrong guess hides a bracket that the
    editor did not add, or thaws a suffix early.
    """
    line = prefix[prefix.rfind("\n") + 1 :]
    closers = _open_closers(prefix[-_LOOK_BACK_CHARS:]) if hidden.strip() else []
    for char in hidden:
        if char in _QUOTES:
            if line.count(char) % 2 == 0:
                return False
        elif not char.isspace() and (not closers or closers.pop() != char):
            return False
    return True


def _open_closers(text: str) -> list[str]:
    closers: list[str] = []
    for char in text:
        if char in _CLOSES:
            closers.append(_CLOSES[char])
        elif closers and char == closers[-1]:
            closers.pop()
    return closers


def plain(text: str) -> str:
    """Return `text` with LF as the only line end, and lone surrogates replaced.

    An editor that cuts a UTF-16 pair in two sends half characters, which UTF-8 cannot carry.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return whole_characters(text)


def _first_line(lines: Sequence[str], line_idx: int, budget: int) -> int:
    """Return the anchored first line: within the budget, over half of it, and rarely moving."""
    used = 0
    lowest = half = line_idx
    for line in _upwards(lines, line_idx):
        if used + len(line) > budget:
            break
        lowest -= 1
        if used < budget // 2:
            half = lowest
        used += len(line)
    return _anchor(lowest, half)


def _anchor(low: int, high: int) -> int:
    """Return the roundest number in [low, high]: the multiple of the highest power of two.

    While `low` and `high` creep up with the text, the answer stays until `low` passes it, then
    moves in a large step.
    """
    if low <= 0:
        return 0
    step = 1
    while -(-low // (2 * step)) * 2 * step <= high:
        step *= 2
    return -(-low // step) * step


def _suffix(lines: Sequence[str], line_idx: int, column: int, suffix_chars: int) -> tuple[str, int]:
    """Return the text behind the cursor, and the line that it ends before."""
    line, end = lines[line_idx], column + suffix_chars
    if end < len(line):
        end = clear_end(line, end, min(suffix_chars // 4, _MOST_WORD_CHARS))
        return line[column:end], line_idx + 1
    parts = [line[column:]]
    left = suffix_chars - len(parts[0])
    for line in _downwards(lines, line_idx + 1):
        if len(line) > left:
            break
        parts.append(line)
        left -= len(line)
    return "".join(parts), line_idx + len(parts)


def _upwards(lines: Sequence[str], end: int) -> Iterator[str]:
    """Give the lines before one, the nearest first; in blocks, since each look-up has its price."""
    while end > 0:
        start = max(0, end - _BLOCK_LINES)
        yield from reversed(lines[start:end])
        end = start


def _downwards(lines: Sequence[str], start: int) -> Iterator[str]:
    """Give the lines from one on."""
    while block := lines[start : start + _BLOCK_LINES]:
        yield from block
        start += len(block)
