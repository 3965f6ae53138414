"""Rules for a suggestion of several lines: where the block ends, by indentation and braces."""

from __future__ import annotations

import re

from midfill_lsp.trim import brackets, indent, overlap, repeat
from midfill_lsp.trim.context import TrimContext
from midfill_lsp.trim.line import surplus
from midfill_lsp.trim.verdict import Reason, Verdict

_CLOSING = re.compile(r"[ \t]*(?:[)\]}]+[;,]?|(?:end|fi|done|esac)\b|</[\w.:-]+>)")
_CLOSING_WORDS = ("end", "fi", "done", "esac", "</")
_MAX_BLANK_LINES = 1


class BlockRules:
    """Judges a growing text; finished lines are judged once."""

    def __init__(self, context: TrimContext) -> None:
        """Start with no lines."""
        self._context = context
        self._kept: list[str] = []  # finished lines that stay, blank ones among them
        self._num_blank = 0

    def judge(self, text: str, finished: bool) -> Verdict:
        """Judge the text so far; `finished` means that the backend has no more."""
        lines = text.split("\n")
        for idx in range(len(self._kept), len(lines)):
            whole = finished or idx < len(lines) - 1
            verdict = self._judge_line(lines[idx], idx, whole)
            if verdict is not None:
                return verdict
        if finished:
            return _cut(self._kept, None, self._context)
        return Verdict("\n".join(self._kept).rstrip())

    def _judge_line(self, raw: str, idx: int, whole: bool) -> Verdict | None:
        """Keep a finished line and return None, or say where the text stands with this one."""
        context, kept = self._context, self._kept
        line = indent.adapt(raw, context.indent_style) if idx else raw
        full = line if idx else context.head + line
        held = Verdict("\n".join(kept).rstrip())
        if idx and not line.strip():
            if not whole:
                return held
            self._num_blank += 1
            kept.append("")
            return None
        if idx and _ends_before(line, self._num_blank, context):
            if not whole and _may_be_closing(line):
                return held
            return _closed(kept, line, self._num_blank, context)
        if whole and overlap.repeats_below(full, context.line_below):
            return _cut(kept, "suffix", context)
        if not whole and (
            overlap.may_repeat_below(full, context.line_below) or _may_loop(kept, line)
        ):
            return held
        verdict = _line_rules([*kept, line], whole, context)
        if verdict is None and whole:
            self._num_blank = 0
            kept.append(line)
        if verdict is None and not whole:
            return Verdict("\n".join([*kept, line]).rstrip())
        return verdict


def _line_rules(kept: list[str], whole: bool, context: TrimContext) -> Verdict | None:
    """Judge the lines kept so far by what they close and whether they go round in a loop."""
    text = "\n".join(kept)
    cut, num_closed = None, 0
    if context.allowed is not None:
        cut, num_closed = brackets.scan(context.head, text, context.allowed, context.language_id)
    if cut is not None:
        return _cut(text[:cut].split("\n"), "bracket", context)
    loop_len = repeat.loops_inline(kept[-1])
    if loop_len is not None:
        return _cut([*kept[:-1], kept[-1][:loop_len]], "repeat", context)
    if not whole:
        return None
    loop = repeat.loop_start([context.head + kept[0], *kept[1:]])
    if loop is not None:
        return _cut(kept[:loop], "repeat", context)
    if num_closed:
        return _cut(kept, "block", context)  # the bracket around the block is closed now
    return None


def _ends_before(line: str, num_blank: int, context: TrimContext) -> bool:
    """Whether a line that is not blank lies behind the block."""
    if num_blank > _MAX_BLANK_LINES:
        return True
    width = indent.width(line)
    return width < context.level or (context.opens and width == context.level)


def _closed(kept: list[str], line: str, num_blank: int, context: TrimContext) -> Verdict:
    """End the block at `line`, with the closing tokens that start it if they belong to it."""
    part = _closing_part(line, context) if not num_blank else ""
    if part:
        closed = [*kept, part]
        if surplus("\n".join(closed), context) is None:
            return _cut(closed, "block", context)
    return _cut(kept, "block", context)


def _closing_part(line: str, context: TrimContext) -> str:
    match = _CLOSING.match(line)
    if match is None:
        return ""
    below = context.line_below
    if below is not None and indent.width(below) == indent.width(line):
        closed_below = _CLOSING.match(below)
        if closed_below and closed_below[0].strip()[0] == match[0].strip()[0]:
            return ""
    return match[0]


def _may_be_closing(line: str) -> bool:
    """Whether the unfinished line could become one whose start closes the block."""
    text = line.strip()
    if text.startswith("</"):
        return True
    return bool(_CLOSING.match(line)) or any(word.startswith(text) for word in _CLOSING_WORDS)


def _may_loop(kept: list[str], line: str) -> bool:
    """Whether the unfinished line could become the third copy of the two lines above."""
    return (
        len(kept) > 1
        and kept[-1].strip() == kept[-2].strip() != ""
        and (kept[-1].startswith(line.rstrip()))
    )


def _cut(kept: list[str], reason: Reason | None, context: TrimContext) -> Verdict:
    text = "\n".join(kept).rstrip()
    if not text.strip():
        return Verdict("", done=True, reason=reason or "blank")
    if "\n" not in text and overlap.repeats_below(context.head + text, context.line_below):
        return Verdict("", done=True, reason="suffix")
    return Verdict(text, done=True, reason=reason)
