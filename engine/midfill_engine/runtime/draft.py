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

_MATCHES = (8, 4, 3, 2)
"""Lengths of tokens that are looked up; one token alone is looked up in the hint only."""
_SURE = 8
"""Agreed tokens beyond which more make no difference."""
_PRIOR = 0.5
_MEMORY = 1 / 32


class AcceptanceRates:
    """How often guesses come true, by what they rest on; shared by all sequences of an engine."""

    def __init__(self) -> None:
        """Begin with no experience."""
        self._rates: dict[tuple[bool, int], float] = {}

    def get(self, basis: tuple[bool, int]) -> float:
        """The chance that the next token is as guessed."""
        return self._rates.get(basis, _PRIOR)

    def note(self, basis: tuple[bool, int], *, right: bool) -> None:
        """A guess was compared with what came."""
        rate = self.get(basis)
        self._rates[basis] = rate + (right - rate) * _MEMORY


@dataclass(slots=True)
class _Place:
    """Where the guess is read: `agreed` tokens before it are the sequence's own."""

    in_hint: bool
    at: int
    agreed: int

    @property
    def basis(self) -> tuple[bool, int]:
        return self.in_hint, min(self.agreed, _SURE)


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

    @property
    def rate(self) -> float:
        """The chance of each token of the guess, given those before it."""
        return 0.0 if self._place is None else self._rates.get(self._place.basis)

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

    def accept(self, token_id: int) -> None:
        """Take in the next token of the sequence."""
        letter = chr(token_id)
        place = self._place
        if place is not None:
            source = self._hint if place.in_hint else self._text
            right = source[place.at] == letter
            self._rates.note(place.basis, right=right)
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
        at = hint.find(text[-1], self._hint_at) if hint else -1
        return _Place(in_hint=True, at=at + 1, agreed=1) if 0 <= at < len(hint) - 1 else None


def _spell(token_ids: Sequence[int]) -> str:
    """A character for each; decoding an array takes a fifth of the time that joining them does."""
    letters = array("I", token_ids)
    return letters.tobytes().decode(f"utf-32-{sys.byteorder[0]}e", "surrogatepass")
