r"""Text to ids in pieces that cannot change each other's tokens, the ids of each remembered.

Between two keys an editor's text changes in one place, and to tokenise all of it anew takes longer
than the model's first step (docs/log.md, 2026-11-26). Where a tokenizer surely cuts at line ends,
lines are encoded by themselves; any other one remembers whole texts, such as the suffix.

What cuts surely is read off the tokenizer's pattern, whose alternatives are tried in turn from one
match's end to the next:

    no pattern, and no token with a line end in it     before every "\n"
    the bundled model's: "\n" only begins a match      before every "\n"
    DeepSeek-Coder's: line ends are cut out first      before every "\n"
    GPT-2's, as in StarCoder: a word ends at a blank   before "\n" behind a visible character
    cl100k's, of Llama 3 and Qwen 2: `\s*[\r\n]+`, or
    `[\r\n]*` behind punctuation, ends a match         behind "\n", where a line with text follows

A look-ahead must see the same before a cut as at the text's end; these do. Called by `tokenizer`.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from tokenizers import Encoding
from tokenizers import Tokenizer as RawTokenizer

from midfill_engine.text.pieces import METASPACE, steps_of

BUNDLED_PATTERN: Final = r"\n▁+(?=▁)|\n|\t+|▁+(?=▁)|\d|[▁_]?[^\W\d_]+|▁?_+|▁?[^\w\s▁]+|▁|\s"
CL100K_PATTERN: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LINE_ENDS_PATTERN: Final = r"[\r\n]"
_BEFORE_LINE_ENDS: Final = re.compile(r"(?=\n)")
_BEHIND_TEXT: Final = re.compile(r"(?<=[!-~])(?=\n)")
_BEHIND_LINE_ENDS: Final = re.compile(r"(?<=\n)(?=[ \t]*[!-~])")
_LONGEST_LINE: Final = 400
"""Characters; longer ones are encoded anew."""
_NUM_LINES: Final = 8192
"""Some 3 MB of lines of 40 characters."""
_NUM_TEXTS: Final = 32
_LONG_TEXT: Final = 4_096
"""Characters; longer ones take milliseconds, and other threads run meanwhile."""


class LineEncoder:
    """A tokenizer's ids of plain texts; safe to share between threads."""

    def __init__(self, coder: RawTokenizer, spec: Mapping[str, Any]) -> None:
        """Takes a tokenizer and the file's content that it was made of."""
        self._coder = coder
        self.cuts = cuts_of(spec)
        self._line = lru_cache(_NUM_LINES)(self._encoded)
        self._text = lru_cache(_NUM_TEXTS)(self._encoded)

    def encode(self, text: str) -> list[int]:
        """Returns the ids, without any that a template adds."""
        if self.cuts is None:
            return list(self._text(text))
        ids: list[int] = []
        for piece in self.cuts.split(text):
            ids += (self._line if len(piece) <= _LONGEST_LINE else self._encoded)(piece)
        return ids

    def _encoded(self, text: str) -> array[int]:
        return array("I", encoding_of(self._coder, text).ids)


def encoding_of(coder: RawTokenizer, text: str) -> Encoding:
    """Returns what a tokenizer makes of a text, without any ids that a template adds.

    A long text goes as a batch of one: only for batches does the library let go of the
    interpreter's lock.
    """
    if len(text) <= _LONG_TEXT:
        return coder.encode(text, add_special_tokens=False)
    return coder.encode_batch([text], add_special_tokens=False)[0]


def cuts_of(spec: Mapping[str, Any]) -> re.Pattern[str] | None:
    """Returns what matches, empty, where a tokenizer's tokens surely end; None: nothing known.

    Args:
        spec: the content of `tokenizer.json`.
    """
    model: Mapping[str, Any] = spec.get("model") or {}
    if model.get("type") != "BPE" or model.get("dropout") or not _leaves_line_ends(spec):
        return None
    steps = steps_of(spec.get("pre_tokenizer"), "pretokenizers")
    if not steps:
        return _BEFORE_LINE_ENDS if _line_end_is_alone(model) else None
    pattern = _pattern_of(steps[0]).replace("\r", r"\r").replace("\n", r"\n")
    if pattern == LINE_ENDS_PATTERN or (pattern == BUNDLED_PATTERN and len(steps) == 1):
        return _BEFORE_LINE_ENDS
    if steps[0].get("type") == "Digits":
        steps = steps[1:]
    if len(steps) == 1 and _cuts_as_gpt2(steps[0]):
        return _BEHIND_TEXT
    if pattern.replace(r"\p{N}{1,3}", r"\p{N}") == CL100K_PATTERN and _only_bytes(steps[1:]):
        return _BEHIND_LINE_ENDS
    return None


def _leaves_line_ends(spec: Mapping[str, Any]) -> bool:
    """Whether neither normalizer nor added tokens reach over a line end."""
    for step in steps_of(spec.get("normalizer"), "normalizers"):
        spaces = step.get("pattern") == {"String": " "} and step.get("content") == METASPACE
        if step.get("type") != "NFC" and not (step.get("type") == "Replace" and spaces):
            return False
    added: list[dict[str, Any]] = spec.get("added_tokens") or []
    return not any(
        token.get("lstrip") or token.get("rstrip") or {"\n", "\r"} & set(token["content"])
        for token in added
    )


def _line_end_is_alone(model: Mapping[str, Any]) -> bool:
    """Whether a line end is a token of its own, which no merge takes in."""
    vocab: Mapping[str, int] = model["vocab"]
    known = "\n" in vocab or (bool(model.get("byte_fallback")) and "<0x0A>" in vocab)
    return known and not any("\n" in piece and piece != "\n" for piece in vocab)


def _pattern_of(step: Mapping[str, Any]) -> str:
    """The expression whose matches, and what lies between them, are encoded apart; or ""."""
    isolated = step.get("behavior") == "Isolated" and not step.get("invert")
    pattern: Mapping[str, str] = step.get("pattern") or {}
    return pattern.get("Regex", "") if step.get("type") == "Split" and isolated else ""


def _cuts_as_gpt2(step: Mapping[str, Any]) -> bool:
    return (
        step.get("type") == "ByteLevel"
        and step.get("use_regex", True)
        and not step.get("add_prefix_space")
    )


def _only_bytes(steps: list[dict[str, Any]]) -> bool:
    """Whether these steps spell bytes as characters and cut nothing."""
    return all(
        step.get("type") == "ByteLevel"
        and step.get("use_regex") is False
        and not step.get("add_prefix_space")
        for step in steps
    )
