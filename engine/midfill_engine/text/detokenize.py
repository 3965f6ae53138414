"""Token ids to text, one at a time, never a broken character.

Used by `runtime` for every running request; one `Detokenizer` belongs to one sequence.
"""

from __future__ import annotations

import codecs

from midfill_engine.text.tokenizer import Tokenizer


class Detokenizer:
    """Turns a growing sequence of tokens into growing text.

    What was returned is never taken back: a character whose bytes are spread over tokens appears
    with its last byte. The first token's leading space is kept, since the text continues another.
    """

    def __init__(self, tokenizer: Tokenizer, skip_bytes: int = 0) -> None:
        """Start with nothing decoded.

        Args:
            tokenizer: the vocabulary.
            skip_bytes: leading bytes of the tokens that are no part of the text (`text.heal`);
                0 for a tokenizer whose tokens are no bytes.
        """
        self._tokenizer = tokenizer
        self._skip_bytes = skip_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._by_offset = _OffsetDecoder(tokenizer) if tokenizer.kind == "other" else None

    def feed(self, token_id: int) -> str:
        """The text that this token completes; "" for a control token or an unfinished character."""
        if self._tokenizer.is_special(token_id):
            return ""
        if self._by_offset is not None:
            return self._by_offset.feed(token_id)
        piece = self._tokenizer.token_bytes(token_id)
        kept = piece[self._skip_bytes :]
        self._skip_bytes -= len(piece) - len(kept)
        return self._decoder.decode(kept)

    def flush(self) -> str:
        """What was held back; an unfinished character is dropped, since no byte of it is text."""
        return "" if self._by_offset is None else self._by_offset.flush()


class _OffsetDecoder:
    """For tokenizers whose tokens are no bytes: decode a short tail twice and take the difference.

    The tail starts at the last two settled tokens, so that a step's cost does not grow with the
    text (the method of text-generation-inference, `Model.decode_token`).
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._shown_len = 0

    def feed(self, token_id: int) -> str:
        self._ids.append(token_id)
        before = self._tokenizer.decode(self._ids[: self._shown_len])
        now = self._tokenizer.decode(self._ids)
        if now.endswith("\ufffd") or len(now) <= len(before):
            return ""
        self._ids = self._ids[-2:]
        self._shown_len = len(self._ids)
        return now[len(before) :]

    def flush(self) -> str:
        before = self._tokenizer.decode(self._ids[: self._shown_len])
        return self._tokenizer.decode(self._ids)[len(before) :].rstrip("\ufffd")


def lone_text(tokenizer: Tokenizer, token_id: int) -> str:
    """What a token says by itself: a control token's name, else its text with U+FFFD for halves."""
    if tokenizer.is_special(token_id):
        return tokenizer.token_text(token_id)
    return tokenizer.token_bytes(token_id).decode("utf-8", "replace")
