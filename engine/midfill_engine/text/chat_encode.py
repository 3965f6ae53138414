"""A conversation's texts to token ids, so that what a user wrote can never steer the model.

A template's text means its control tokens; the contents that it is filled with do not. Encoding
the contents by themselves would cut the text where a vocabulary's merges cross the seam, and give
other ids than the model was trained with. So the text is encoded in one piece: only where a content
spells a control token, its first character is replaced by a stand-in before the template sees it.
The template's own control tokens are then the only ones left; between them the stand-ins are
put back, and that stretch alone is encoded as plain text. A conversation without such contents gets
exactly the ids of its rendered text. Called by `chat`; knows no templates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from midfill_engine.text.tokenizer import Tokenizer, without_surrogates

_FIRST_STAND_IN: Final = 0xF0000
_LAST_STAND_IN: Final = 0x10FFFD
_PRIVATE: Final = re.compile("[\U000f0000-\U0010fffd]")


@dataclass(frozen=True, slots=True)
class Span:
    """A token and the characters that it stands for: [start, end)."""

    token_id: int
    start: int
    end: int


class Disguise:
    """Stand-ins for the characters of one conversation."""

    def __init__(self, taken: set[str]) -> None:
        """Use no character of `taken`."""
        self._free = (
            chr(code)
            for code in range(_FIRST_STAND_IN, _LAST_STAND_IN + 1)
            if chr(code) not in taken
        )
        self._of: dict[str, str] = {}

    def stand_in(self, char: str) -> str:
        """The character that stands for another; always the same one."""
        if char not in self._of:
            self._of[char] = next(self._free)
        return self._of[char]

    def free(self) -> str:
        """A character that stands for nothing, to find a place in what a template writes."""
        return next(self._free)

    @property
    def shown(self) -> Mapping[int, str]:
        """From stand-ins to what they stand for, as `str.translate` wants it."""
        return {ord(stand_in): char for char, stand_in in self._of.items()}


class ContentEncoder:
    """Hides control tokens in contents, and encodes the text that a template made of them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """For one model's vocabulary."""
        self._tokenizer = tokenizer
        names = sorted(tokenizer.control_texts.values(), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, filter(None, names))) or r"(?!)")

    def disguise(self, values: object, template_text: str = "") -> tuple[Any, Disguise]:  # JSON
        """The same JSON value without a control token in any string, and the way back.

        Args:
            values: messages, tools, whatever else the request brings into the template.
            template_text: no stand-in stands in it.
        """
        texts = list(_texts(values))
        taken = {char for text in (template_text, *texts) for char in _PRIVATE.findall(text)}
        disguise = Disguise(taken)
        return self._hidden(values, disguise), disguise

    def encode(self, text: str, shown: Mapping[int, str]) -> list[Span]:
        """The tokens of a rendered text; stand-ins count as what they stand for, and as plain."""
        text = without_surrogates(text)
        tokens: list[Span] = []
        stretch: list[Span] = []
        start = 0
        for span in (Span(*part) for part in self._tokenizer.encode_rich(text)):
            if span.token_id in self._tokenizer.control_texts:
                tokens += self._between(text, start, span.start, stretch, shown)
                tokens.append(span)
                stretch, start = [], span.end
            else:
                stretch.append(span)
        return tokens + self._between(text, start, len(text), stretch, shown)

    def _between(
        self, text: str, start: int, end: int, spans: list[Span], shown: Mapping[int, str]
    ) -> list[Span]:
        """The tokens of [start, end), given what the file's own encoding has there."""
        plain = text[start:end]
        is_clean = not any(chr(code) in plain for code in shown)
        if is_clean and not any(self._tokenizer.is_special(span.token_id) for span in spans):
            return spans
        leading_space = start == 0 or self._tokenizer.spaces_every_stretch
        found = self._tokenizer.encode_plain(
            plain.translate(dict(shown)), leading_space=leading_space
        )
        return [Span(token_id, start + first, start + last) for token_id, first, last in found]

    def _hidden(self, value: object, disguise: Disguise) -> Any:  # noqa: ANN401  # JSON
        if isinstance(value, str):
            return self._hidden_text(without_surrogates(value), disguise)
        if isinstance(value, list):
            return [self._hidden(entry, disguise) for entry in cast("list[object]", value)]
        if isinstance(value, dict):
            pairs = cast("dict[str, object]", value)
            return {
                self._hidden(key, disguise): self._hidden(entry, disguise)
                for key, entry in pairs.items()
            }
        return value

    def _hidden_text(self, text: str, disguise: Disguise) -> str:
        """Ends, since each round replaces characters by ones that no control token holds."""
        while spans := self._control_spans(text):
            chars = list(text)
            for start, end in spans:
                idx = next((idx for idx in range(start, end) if not chars[idx].isspace()), start)
                chars[idx] = disguise.stand_in(chars[idx])
            text = "".join(chars)
        return text

    def _control_spans(self, text: str) -> list[tuple[int, int]]:
        if self._tokenizer.normalizes_controls:
            return [
                (start, end)
                for token_id, start, end in self._tokenizer.encode_rich(text)
                if token_id in self._tokenizer.control_texts
            ]
        return [match.span() for match in self._pattern.finditer(text)]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for entry in cast("list[object]", value):
            yield from _texts(entry)
    elif isinstance(value, dict):
        pairs = cast("dict[str, object]", value)
        for key, entry in pairs.items():
            yield key
            yield from _texts(entry)
