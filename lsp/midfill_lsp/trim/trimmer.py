"""Feeds the backend's deltas through the rules. What was shown is only ever extended."""

from __future__ import annotations

from dataclasses import dataclass, replace

from midfill_lsp.trim import closing, line, sentinel, start, whole
from midfill_lsp.trim.block import BlockRules
from midfill_lsp.trim.confidence import Confidence
from midfill_lsp.trim.context import TrimContext
from midfill_lsp.trim.gate import Gate
from midfill_lsp.trim.verdict import Reason, Verdict

_MAX_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class TrimStep:
    """What may be shown after a delta.

    Attributes:
        text: all of it so far; starts with the text of every earlier step if those are shown.
        done: no later delta can change it; the stream should be closed.
    """

    text: str
    done: bool


@dataclass(frozen=True, slots=True)
class TrimResult:
    """The finished suggestion.

    Attributes:
        text: "" means that there is nothing to suggest.
        replaces_rest: it takes the place of the rest of the cursor's line.
        reason: the rule that cut something off, None if the text stands as it came.
        num_cut: code points that came from the backend and are not in `text`.
        confidence: mean probability of the first line's tokens; None where nobody told it.
    """

    text: str
    replaces_rest: bool
    reason: Reason | None
    num_cut: int
    confidence: float | None = None


class Trimmer:
    """Trims one suggestion while it is being written."""

    def __init__(self, context: TrimContext, is_shown: bool = True) -> None:
        """Start with nothing shown.

        Args:
            context: the cursor's surroundings.
            is_shown: somebody shows what `feed` returns. If not, `finish` may return less.
        """
        self._is_shown = is_shown
        self._ends_in_cr = False
        self._context = context
        self._block = BlockRules(context) if context.mode == "block" else None
        self._raw = ""
        self._verdict = Verdict("")
        self._confidence = Confidence()
        self._gate = Gate(context, self._confidence)
        self._tokens: tuple[tuple[int, float], ...] = ()

    def score(self, tokens: tuple[tuple[int, float], ...]) -> None:
        """Take the tokens of the next delta: code points and log-probability of each."""
        self._tokens = tokens

    def feed(self, delta: str) -> TrimStep:
        """Take the next piece of text. After `done` further pieces change nothing."""
        if delta and not self._verdict.done:
            self._confidence.add(delta, self._tokens)
            self._tokens = ()
            is_second_half = self._ends_in_cr and delta.startswith("\n")
            self._ends_in_cr = delta.endswith("\r")
            if is_second_half:  # of a line end that came in two pieces
                delta = delta[1:]
            self._raw += delta.replace("\r\n", "\n").replace("\r", "\n")
            self._judge(finished=False)
        return TrimStep(self._verdict.text, self._verdict.done)

    def keep_shown(self) -> None:
        """Say that somebody shows what `feed` returned last, and will show what comes."""
        self._is_shown = True

    def finish(self, cut_short: bool = False) -> TrimResult:
        """Say that no more comes, and return what to insert.

        Args:
            cut_short: there would have been more; then a block loses its unfinished last line.
        """
        if not self._verdict.done:
            self._judge(finished=True, cut_short=cut_short)
        verdict = self._verdict
        return TrimResult(
            text=verdict.text,
            replaces_rest=verdict.replaces_rest,
            reason=verdict.reason,
            num_cut=max(0, len(self._raw) - len(verdict.text)),
            confidence=self._confidence.first(),
        )

    def _judge(self, finished: bool, cut_short: bool = False) -> None:
        context = self._context
        raw = self._raw
        leak = sentinel.find(raw, context.language_id, context.prefix + context.suffix)
        if leak is not None:
            raw, finished, cut_short = raw[:leak], True, False
        elif len(raw) > _MAX_CHARS:
            finished = cut_short = True
        elif not finished:
            raw = raw[: len(raw) - sentinel.num_held(raw)]
        text = start.adjust(raw, context)
        shift = start.num_line_ends(text) - start.num_line_ends(raw)
        if self._block:
            verdict = self._block.judge(text, finished, cut_short)
        else:
            shown = self._verdict.text if self._is_shown else ""
            verdict = line.judge(text, finished, context, shown)
        if leak is not None and verdict.reason in (None, "blank"):
            verdict = Verdict(verdict.text, True, "sentinel", verdict.replaces_rest)
        is_fresh = not (self._is_shown and self._verdict.text)
        verdict = self._closed(self._gate.judge(verdict, shift, cut_short, is_fresh))
        self._verdict = _extended(self._verdict, verdict) if self._is_shown else verdict

    def _closed(self, verdict: Verdict) -> Verdict:
        """Return the verdict with its last line as what stands behind it asks."""
        context, shown = self._context, self._verdict.text if self._is_shown else ""
        text = closing.without_comma(verdict.text, verdict.replaces_rest, context)
        if self._block and verdict.done:
            text = whole.block(text, shown, context)
        reason = verdict.reason if text or not verdict.done else verdict.reason or "blank"
        return replace(verdict, text=text, reason=reason)


def _extended(shown: Verdict, verdict: Verdict) -> Verdict:
    """Return the verdict, or what was shown already where it would take some of that back."""
    if verdict.text.startswith(shown.text):
        return verdict
    return Verdict(shown.text, verdict.done, verdict.reason)
