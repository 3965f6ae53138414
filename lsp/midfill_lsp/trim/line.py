"""Rules for a suggestion that stays on the cursor's line.

With text behind the cursor there are three ways to end: the suggestion stops where that text
begins again and is put before it; it ends with the brackets and quotes that the editor closed by
itself and goes on behind them, and then it replaces the rest of the line; or it closes what is
closed already, and is cut before that.
"""

from __future__ import annotations

from midfill_lsp.trim import brackets, closing, lexer, overlap, repeat, whole
from midfill_lsp.trim.closing import BRACKETS, QUOTES
from midfill_lsp.trim.context import TrimContext
from midfill_lsp.trim.verdict import Reason, Verdict

_CLOSERS = BRACKETS + QUOTES + ";,:>"


def judge(text: str, finished: bool, context: TrimContext, shown: str = "") -> Verdict:
    """Judge the text so far.

    Args:
        text: from the start.
        finished: the backend has no more.
        context: the cursor's surroundings.
        shown: what of it is on the screen, and stays.
    """
    line, newline, _ = text.partition("\n")
    finished = finished or bool(newline)
    reason: Reason | None = "line" if newline else None
    loop_len = repeat.loops_inline(line)
    if loop_len is not None:
        line, finished, reason = unlooped(line, loop_len, context), True, "repeat"
    if not finished:
        line = line[: len(line) - repeat.num_held(line)]
    if context.rest:
        return _before_rest(line, finished, reason, context, shown)
    return _at_line_end(line, finished, reason, context)


def before_closers(text: str, rest: str, language_id: str) -> str:
    """Return a suggestion that replaces the rest of its line up to where `rest` may stay.

    Empty where there is no such place.
    """
    first = rest.lstrip()[:1]
    if first in BRACKETS:
        _, closers = brackets.unmatched(text, language_id)
        offset = closers[0].offset if closers and closers[0].closer == first else 0
    else:
        offset = max(0, text.find(first)) if first in QUOTES else 0
    return text[:offset].rstrip()


def unlooped(line: str, loop_len: int, context: TrimContext) -> str:
    """Return a line up to where its loop begins; nothing of it if that leaves a bracket open."""
    line = line[:loop_len]
    return "" if any(brackets.unmatched(line, context.language_id)) else line


def _at_line_end(line: str, finished: bool, reason: Reason | None, context: TrimContext) -> Verdict:
    cuts = (
        closing.surplus(line, context),
        closing.end_of_text(line, context, finished),
    )
    cut = min((place for place in cuts if place is not None), default=None)
    if cut is not None:
        line, finished, reason = line[:cut], True, "bracket"
    full = context.head + line
    if finished:
        if overlap.repeats_below(full, context.line_below):
            return Verdict("", done=True, reason="suffix")
        if repeat.repeats_above(full, context.line_above):
            return Verdict("", done=True, reason="repeat")
        return _stripped(line.rstrip(), reason)
    if overlap.may_repeat_below(full, context.line_below):
        return Verdict("")
    if repeat.may_repeat_above(full, context.line_above):
        return Verdict("")
    return Verdict(line[: len(line) - closing.num_held(line, context)].rstrip())


def _before_rest(
    line: str, finished: bool, reason: Reason | None, context: TrimContext, shown: str
) -> Verdict:
    rest = context.rest.strip()
    cut = closing.before_rest(line, context, finished)
    if not finished:
        kept = line[:cut]
        kept = kept[: len(kept) - overlap.num_held(kept, rest)].rstrip()
        return Verdict(kept[: len(kept) - closing.num_held(kept, context)].rstrip())
    if cut is not None and _may_replace(line, rest, context):
        if line.rstrip().endswith(rest):
            return _stripped(_joined(line.rstrip()[: -len(rest)], context, shown), "suffix")
        return Verdict(line.rstrip(), done=True, reason=reason, replaces_rest=True)
    is_word = rest[0] not in BRACKETS + QUOTES
    repeated = overlap.num_repeated(line, rest, context.head) if is_word else 0
    if repeated:
        kept = line.rstrip()[:-repeated]
        kept = kept[: closing.before_rest(kept, context, is_whole=True)]
        return _stripped(_joined(kept, context, shown), "suffix")
    if cut is None:
        return _stripped(_joined(line, context, shown), reason)
    kept = line[:cut]
    repeated = overlap.num_repeated(kept, rest, context.head) if is_word else 0
    if repeated:
        return _stripped(_joined(kept.rstrip()[:-repeated], context, shown), "suffix")
    repeats = rest.startswith(line[cut:].rstrip())
    return _stripped(_joined(kept, context, shown), "suffix" if repeats else "bracket")


def _may_replace(line: str, rest: str, context: TrimContext) -> bool:
    """Whether the line holds all of a rest that is only closers, and closes rightly without it."""
    closers, closer = rest.replace(" ", ""), lexer.closer_of(context.begun) or ""
    if any(char not in _CLOSERS for char in closers) or (closer in rest and closer not in line):
        return False
    remaining = iter(line)
    if not all(char in remaining for char in closers):
        return False
    allowed = context.allowed_without_rest
    if allowed is None:
        return True
    return brackets.scan(context.head, line, allowed, context.language_id)[0] is None


def _joined(text: str, context: TrimContext, shown: str) -> str:
    """Close what nobody else closes, and drop blanks at the end unless they part it from a word."""
    if context.rest[0] in " \t" + BRACKETS + ";,:":
        text = text.rstrip()
    return whole.line(text, shown, context)


def _stripped(text: str, reason: Reason | None) -> Verdict:
    if not text.strip():
        return Verdict("", done=True, reason=reason if reason not in (None, "line") else "blank")
    return Verdict(text, done=True, reason=reason)
