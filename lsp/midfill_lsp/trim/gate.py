"""Lets through what would parse where the file does, and what the model was sure of.

The last of the rules, called by `trimmer` on what the others say. Lines are judged once they are
whole. One that does not parse waits for those below it, since a `try` is no sentence before its
`except`; one that the model guessed ends the text before it. What is shown already stays.
"""

from __future__ import annotations

import math
from dataclasses import replace

from midfill_lsp.trim.confidence import Confidence
from midfill_lsp.trim.context import TrimContext
from midfill_lsp.trim.verdict import Verdict

MAX_UNSOUND_LINES = 12
# Of what begins so, no line was right (docs/log.md, 2026-11-26).
_HOPELESS_TOKENS, _HOPELESS_LOG = 2, math.log(0.5)


class Gate:
    """Judges a growing text; each line is judged once."""

    def __init__(self, context: TrimContext, confidence: Confidence) -> None:
        """Begin with no lines.

        Args:
            context: the cursor's surroundings.
            confidence: of the backend's lines, as they come.
        """
        self._context = context
        self._confidence = confidence
        self._num_checked = 0
        self._num_sound = 0
        self._min_logprob = math.log(context.min_confidence) if context.min_confidence else None

    def judge(self, verdict: Verdict, shift: int, cut_short: bool, is_fresh: bool) -> Verdict:
        """Return the part of a verdict that may be shown.

        Args:
            verdict: what the other rules let through.
            shift: lines that its text has in front of the backend's first, less than 0 if it lacks
                some.
            cut_short: the backend was not let write more, so that a single line may lack its end.
            is_fresh: nothing of the text is on the screen.
        """
        if is_fresh and not verdict.done and self._is_hopeless():
            return Verdict("", done=True, reason="unsure")
        if not verdict.text.strip():
            return verdict
        if not (verdict.done or verdict.ends_line):
            return verdict if self._is_likely(max(0, -shift)) else replace(verdict, text="")
        lines = verdict.text.split("\n")
        unlikely = self._first_unlikely(len(lines), shift)
        if unlikely is not None:
            lines = lines[:unlikely]
            verdict = Verdict("\n".join(lines), done=True, reason="unsure")
        if cut_short and len(lines) == 1 and not self._context.rest:
            return verdict
        return self._sound(verdict, lines)

    def _first_unlikely(self, num_lines: int, shift: int) -> int | None:
        return next((idx for idx in range(num_lines) if not self._is_likely(idx - shift)), None)

    def _is_likely(self, idx: int) -> bool:
        if self._min_logprob is None:
            return True
        mean = self._confidence.of_line(idx)
        return mean is None or mean >= self._min_logprob

    def _is_hopeless(self) -> bool:
        """Whether the first line begins so unsurely that the rest need not be written."""
        if self._min_logprob is None:
            return False
        num_tokens, mean = self._confidence.opening()
        return num_tokens >= _HOPELESS_TOKENS and mean < self._min_logprob + _HOPELESS_LOG

    def _sound(self, verdict: Verdict, lines: list[str]) -> Verdict:
        soundness = self._context.soundness
        if soundness is None or self._context.in_text:
            return verdict
        for num in range(self._num_checked + 1, len(lines) + 1):
            self._num_checked = num
            if not lines[num - 1].strip():
                continue
            if soundness.holds("\n".join(lines[:num]), verdict.replaces_rest):
                self._num_sound = num
        if self._num_sound >= len(lines):
            return verdict
        text = "\n".join(lines[: self._num_sound]).rstrip()
        gives_up = len(lines) - self._num_sound > MAX_UNSOUND_LINES
        if verdict.done or gives_up:
            return Verdict(text, done=True, reason="syntax")
        return replace(verdict, text=text)
