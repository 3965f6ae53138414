"""Rules for a suggestion of several lines: where the block ends, by indentation and braces."""

from __future__ import annotations

import re

from midfill_lsp.trim import brackets, clause, definition, indent, lexer, opener, overlap, repeat
from midfill_lsp.trim.closing import scan, surplus
from midfill_lsp.trim.context import TrimContext
from midfill_lsp.trim.line import unlooped
from midfill_lsp.trim.verdict import Reason, Verdict

_CLOSING = re.compile(r"[ \t]*(?:[)\]}]+[;,]?|(?:end|fi|done|esac)\b|</[\w.:-]+>)")
_CLOSING_WORDS = ("end", "fi", "done", "esac", "</")
_MAX_BLANK_LINES = 1
_STEPS = (2, 3, 4, 8)
_C_FAMILY = frozenset({"c", "cpp", "cuda-cpp", "objective-c"})
_LEFT = re.compile(r"#|[ \t]*(?:public|private|protected)[ \t]*:|(?!default\b)[A-Za-z_]\w*:(?!:)")


class BlockRules:
    """Judges a growing text; finished lines are judged once."""

    def __init__(self, context: TrimContext) -> None:
        """Start with no lines."""
        self._context = context
        self._kept: list[str] = []  # finished lines that stay, blank ones among them
        self._num_blank = 0
        self._step: int | None = None  # by which the backend indents, once a line has told
        self._aligns = True  # blanks that it writes behind tabs align, and are no level
        self._over: tuple[int, bool] = (0, False)  # after so many lines a definition is over
        self._begin = 0  # of the clause that is being written; see `clause`

    def judge(self, text: str, finished: bool, cut_short: bool = False) -> Verdict:
        """Judge the text so far.

        The first line grows character by character, each one below is shown when it is complete:
        only then is it known whether it belongs to the block.

        Args:
            text: from the start.
            finished: the backend has no more.
            cut_short: it had, but was not let; so the last line may lack its end.
        """
        lines = text.split("\n")
        for idx in range(len(self._kept), len(lines)):
            is_last = idx == len(lines) - 1
            if is_last and any(map(str.strip, self._kept)) and (cut_short or not finished):
                return _cut(self._kept, "limit", self._context) if cut_short else self._held()
            verdict = self._judge_line(lines[idx], idx, finished or not is_last)
            if verdict is not None:
                return verdict
        return _cut(self._kept, None, self._context) if finished else self._held()

    def _held(self) -> Verdict:
        num_shown = len(self._kept) - repeat.num_lines_held(self._kept)
        return Verdict("\n".join(self._kept[:num_shown]).rstrip(), ends_line=True)

    def _judge_line(self, raw: str, idx: int, whole: bool) -> Verdict | None:
        """Keep a finished line and return None, or say where the text stands with this one."""
        context, kept = self._context, self._kept
        line = self._adapted(raw) if idx else raw
        full = line if idx else context.head + line
        if idx and not line.strip():
            if not whole:
                return self._held()
            self._num_blank += 1
            kept.append("")
            return None
        if idx and self._ends_before(line):
            if not whole and (_may_be_closing(line) or self._may_go_on(line)):
                return self._held()
            if not (whole and self._goes_on(line)):
                return _closed(kept, line, whole, self._num_blank, context)
            self._begin = idx + 1
        if whole and _repeats_below(full, context):
            return _cut(kept, "suffix", context)
        if whole and not idx and repeat.repeats_above(full, context.line_above):
            return _cut(kept, "repeat", context)
        if not whole and _may_repeat(full, context):
            return self._held()
        verdict = _line_rules([*kept, line], whole, self._begin, context)
        if verdict is not None:
            return verdict
        if not whole:
            shown = line[: len(line) - repeat.num_held(line)]
            return Verdict("\n".join([*kept, shown]).rstrip())
        self._num_blank = 0
        kept.append(line.rstrip())
        return None

    def _ends_before(self, line: str) -> bool:
        """Whether a line that is not blank lies behind the block."""
        context, width = self._context, indent.width(line)
        if self._is_in_text():
            return False
        if self._num_blank > _MAX_BLANK_LINES:
            return True
        if width < context.level:
            return not _stands_left(line, context.language_id)
        if width > context.level:
            return False
        if self._over[0] != len(self._kept):
            self._over = len(self._kept), definition.is_over(self._kept, context)
        return context.opens or self._over[1]

    @property
    def _header(self) -> str:
        """The line whose block is being written, if the cursor stood behind it, or "".

        One that stands above the cursor's line closes its block by a bracket or not at all.
        """
        if self._begin:
            return self._kept[self._begin - 1]
        return self._context.head if self._context.opens else ""

    def _goes_on(self, line: str) -> bool:
        """Whether a whole line behind the block is the next clause of the same statement."""
        context = self._context
        if self._num_blank or not clause.goes_on(line, self._header):
            return False
        if not line.lstrip().startswith("}"):
            return True
        is_ours = bool(_closing_part(line, context))
        return is_ours and surplus("\n".join([*self._kept, line]), context) is None

    def _may_go_on(self, line: str) -> bool:
        return not self._num_blank and clause.may_go_on(line, self._header)

    def _is_in_text(self) -> bool:
        """Whether a string or a comment of several lines is open: it is indented as it likes."""
        text = self._context.head + "\n".join(self._kept)
        return lexer.text_closer(text, self._context.language_id) is not None

    def _adapted(self, raw: str) -> str:
        """Return a line below the first with the document's indentation."""
        context, style = self._context, self._context.indent_style
        if self._is_in_text():
            return raw
        last = next((idx for idx in range(len(self._kept) - 1, -1, -1) if self._kept[idx]), 0)
        above = self._kept[last] if last else context.head + self._kept[0]
        begins_level = opener.begins_level(above, context.language_id)
        if (
            begins_level
            and indent.is_mixed(raw)
            and indent.step_between(above, raw) == indent.TAB_WIDTH
        ):
            self._aligns = False
        line = indent.adapt(raw, style, self._aligns)
        if style.tabs or not style.is_sure or not line.strip():
            return line
        if self._step is None and (begins_level or above.rstrip().endswith(indent.OPENERS)):
            step = indent.step_between(above, line)
            # What may hang tells nothing, and what follows is not to be indented otherwise.
            self._step = step if begins_level or step != 2 * style.unit else 0
        if self._step not in _STEPS or self._step == style.unit:
            return line
        return indent.rescaled(line, context.level, self._step, style.unit)


def _stands_left(line: str, language_id: str) -> bool:
    """Whether a line of a block stands at the left by custom: preprocessor lines and labels."""
    return language_id in _C_FAMILY and bool(_LEFT.match(line))


def _line_rules(kept: list[str], whole: bool, begin: int, context: TrimContext) -> Verdict | None:
    """Judge the lines kept so far by what they close and whether they go round in a loop.

    Args:
        kept: the lines with the latest.
        whole: the latest is finished.
        begin: the first line of the clause that is being written.
        context: the cursor's surroundings.
    """
    text = "\n".join(kept)
    cut, num_closed = None, 0
    if context.allowed is not None:
        cut, num_closed = scan(text, context.allowed, context)
        if begin and cut is None:
            text_since = "\n".join(kept[begin:])
            _, num_closed = brackets.scan("", text_since, context.allowed, context.language_id)
    if cut is not None:
        return _cut(text[:cut].split("\n"), "bracket", context)
    loop_len = repeat.loops_inline(kept[-1])
    if loop_len is not None:
        return _cut([*kept[:-1], unlooped(kept[-1], loop_len, context)], "repeat", context)
    if not whole:
        return None
    if repeat.goes_on_from(kept[:-1], kept[-1]):
        return _cut(kept[:-1], "repeat", context)
    loop = repeat.loop_start([context.head + kept[0], *kept[1:]])
    if loop is not None:
        return _cut(kept[:loop], "repeat", context)
    if num_closed:
        return _cut(kept, "block", context)  # the bracket around the block is closed now
    return None


def _closed(
    kept: list[str], line: str, whole: bool, num_blank: int, context: TrimContext
) -> Verdict:
    """End the block at `line`, with what of it belongs to the block: closing tokens, or all."""
    part = _closing_part(line, context) if not num_blank else ""
    ends = [part] if part else []
    if part and whole and clause.is_whole_end(line, context.language_id):
        ends.insert(0, line.rstrip())
    for end in ends:
        closed = [*kept, end]
        if surplus("\n".join(closed), context) is None:
            return _cut(closed, "block", context)
    return _cut(kept, "block", context)


def _repeats_below(full: str, context: TrimContext) -> bool:
    if _is_inside(context.line_below, context):
        return overlap.repeats_below(full.lstrip(), (context.line_below or "").lstrip())
    return overlap.repeats_below(full, context.line_below)


def _is_inside(line_below: str | None, context: TrimContext) -> bool:
    """Whether the block has that line already; then it repeats however it is indented."""
    return line_below is not None and context.opens and indent.width(line_below) > context.level


def _may_repeat(full: str, context: TrimContext) -> bool:
    if _is_inside(context.line_below, context):
        below = overlap.may_repeat_below(full.lstrip(), (context.line_below or "").lstrip())
    else:
        below = overlap.may_repeat_below(full, context.line_below)
    return below or repeat.may_repeat_above(full, context.line_above)


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


def _cut(kept: list[str], reason: Reason | None, context: TrimContext) -> Verdict:
    text = "\n".join(kept).rstrip()
    if not text.strip():
        return Verdict("", done=True, reason=reason or "blank")
    if "\n" not in text and overlap.repeats_below(context.head + text, context.line_below):
        return Verdict("", done=True, reason="suffix")
    return Verdict(text, done=True, reason=reason)
