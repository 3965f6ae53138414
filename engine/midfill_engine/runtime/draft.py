"""Guesses of what a sequence will say next, from what it has said and what stands around it.

A code completion repeats what stands in the document, and what was suggested a key before. So the
last tokens are looked up in the draft hint and in prompt and generated text, the longest match and
its latest place first, and what followed there is the guess. One character per token makes the
look-up a `str.rfind`: no index to build, and no search while the text goes on as guessed. A token
costs 3 µs in a text of 500 tokens, 10 µs in one of 2,000, 28 µs in one of 8,000, on a machine busy
with other work, where a step of the bundled model takes 800. A wrong guess costs time only
(`exec.verify`).

Pure; called by `speculate` and `sequence`.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from midfill_engine.model.ahead import Guesses
from midfill_engine.runtime.step_costs import StepCosts

_MATCHES = (8, 4, 3, 2, 1)
"""Lengths of tokens that are looked up. More lengths, which is what a suffix automaton would find,
accept no more; without the 1, steps yield 8 to 15 % fewer tokens (docs/log.md, 2026-11-25)."""
_SURE = 8
"""Agreed tokens beyond which more make no difference."""
_PRIOR = 0.5
_CODEC = f"utf-32-{sys.byteorder[0]}e"
_MEMORY = 1 / 32


class AcceptanceRates:
    """How often guesses come true, by what they rest on; shared by all sequences of an engine."""

    def __init__(self) -> None:
        """Begin with no experience."""
        self._rates = {in_hint: [_PRIOR] * (_SURE + 1) for in_hint in (False, True)}

    def ahead(self, in_hint: bool, agreed: int, count: int) -> list[float]:
        """The chances of the next `count` guessed tokens, each given that those before it stood.

        `in_hint` tells where the guess is read, `agreed` how many tokens before it are the
        sequence's own.

        They rise along a guess: what has agreed for a while goes on agreeing.
        """
        rates = self._rates[in_hint]
        rising = rates[min(agreed, _SURE) :][:count]
        return rising + rates[_SURE:] * (count - len(rising))

    @property
    def table(self) -> tuple[float, ...]:
        """Those of guesses in the text, by the tokens that agreed, then of those in the hint."""
        return (*self._rates[False], *self._rates[True])

    def note(self, in_hint: bool, agreed: int, *, right: bool) -> None:
        """The next token of a guess was compared with what came."""
        rates, idx = self._rates[in_hint], min(agreed, _SURE)
        rates[idx] += (right - rates[idx]) * _MEMORY


@dataclass(slots=True)
class _Place:
    """Where the guess is read: `agreed` tokens before it are the sequence's own."""

    in_hint: bool
    at: int
    agreed: int


class Drafter:
    """The guesses of one sequence."""

    def __init__(
        self, prompt_ids: Sequence[int], hint_ids: Sequence[int], rates: AcceptanceRates
    ) -> None:
        """Begin behind the prompt; the hint is the first guess. Token ids are below 0x110000."""
        self._text = _spell(prompt_ids)
        self._hint = _spell(hint_ids)
        self._hint_at = 0  # what comes of the hint is at or behind it
        self._rates = rates
        self._place = _Place(in_hint=True, at=0, agreed=0) if hint_ids else None

    def rates(self, count: int) -> list[float]:
        """The chance of each of the guess's first `count` tokens, given those before it."""
        place = self._place
        return [] if place is None else self._rates.ahead(place.in_hint, place.agreed, count)

    def guess(self, most: int) -> list[int]:
        """What may come next, at most `most` tokens; empty where nothing is known."""
        if self._place is None:
            self._place = self._find()
        place = self._place
        if place is None:
            return []
        source = self._hint if place.in_hint else self._text
        followed = source[place.at : place.at + most]
        if not place.in_hint:  # a repetition goes on repeating
            followed = (followed * -(-most // len(followed)))[:most]
        return [ord(letter) for letter in followed]

    def guesses(self, costs: StepCosts) -> Guesses:
        """What the guesses rest on, for steps that are run ahead."""
        place = self._place
        cost_rows, cost_ms = costs.table
        return Guesses(
            text=_spelled(self._text),
            hint=_spelled(self._hint),
            hint_at=self._hint_at,
            at=None if place is None else place.at,
            in_hint=place is not None and place.in_hint,
            agreed=0 if place is None else place.agreed,
            rates=self._rates.table,
            cost_rows=cost_rows,
            cost_ms=cost_ms,
        )

    def accept(self, token_id: int) -> None:
        """Take in the next token of the sequence."""
        letter = chr(token_id)
        place = self._place
        if place is not None:
            source = self._hint if place.in_hint else self._text
            right = source[place.at] == letter
            self._rates.note(place.in_hint, place.agreed, right=right)
            place.at += 1
            place.agreed += 1
            if place.in_hint and right:
                self._hint_at = place.at
            if not right or (place.in_hint and place.at == len(source)):
                self._place = None
        self._text += letter

    def _find(self) -> _Place | None:
        """The latest place of the longest match; the hint goes first, from where it stood on."""
        text, hint = self._text, self._hint
        before_last = len(text) - 1
        for length in _MATCHES:
            pattern = text[-length:]
            at = hint.find(pattern, max(self._hint_at - length, 0)) if hint else -1
            if 0 <= at < len(hint) - length:
                return _Place(in_hint=True, at=at + length, agreed=length)
            at = text.rfind(pattern, 0, before_last)
            if at >= 0 and len(pattern) == length:
                return _Place(in_hint=False, at=at + length, agreed=length)
        return None


def _spell(token_ids: Sequence[int]) -> str:
    """A character for each; decoding an array takes a fifth of the time that joining them does."""
    return array("I", token_ids).tobytes().decode(_CODEC, "surrogatepass")


def _spelled(text: str) -> bytes:
    """The other way round: four bytes for each token."""
    return text.encode(_CODEC, "surrogatepass")
