"""Where in a text its tokens stand: what `/tokenize` tells. Pure; called by `serve`."""

from __future__ import annotations

from dataclasses import dataclass

from midfill_engine.text.pieces import METASPACE
from midfill_engine.text.tokenizer import Tokenizer, without_surrogates


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """A token and the characters [start, stop) of the text that it stands for.

    Tokens that the text does not hold, such as the one that begins it, have start == stop == 0.
    Of a character that several tokens share, each stands for the whole.
    """

    token_id: int
    start: int
    stop: int


def token_spans(tokenizer: Tokenizer, text: str) -> list[TokenSpan]:
    """The tokens of `Tokenizer.encode_with_specials`, with their places."""
    text = without_surrogates(text)
    ids = tokenizer.encode_with_specials(text)
    found = [TokenSpan(*entry) for entry in tokenizer.encode_rich(text)]
    begin = [TokenSpan(ids[0], 0, 0)] if len(ids) == len(found) + 1 else []
    if [span.token_id for span in (*begin, *found)] == ids:
        return [*begin, *found]
    return _walk(tokenizer, text, ids)  # sentinels as Code Llama's text form writes them


def _walk(tokenizer: Tokenizer, text: str, ids: list[int]) -> list[TokenSpan]:
    """Places by the bytes that the tokens add to the text, from its start on."""
    data = text.encode()
    chars = _char_of_byte(text)
    at = 0
    spans: list[TokenSpan] = []
    for token_id in ids:
        start, stop = _place(tokenizer, token_id, data, at)
        if start == stop:
            spans.append(TokenSpan(token_id, 0, 0))
            continue
        spans.append(TokenSpan(token_id, chars[start], chars[stop - 1] + 1))
        at = stop
    return spans


def _place(tokenizer: Tokenizer, token_id: int, data: bytes, at: int) -> tuple[int, int]:
    """Bytes [start, stop) of a token that comes at `at`; empty if it is none of the text's."""
    if tokenizer.is_special(token_id):
        written = tokenizer.token_text(token_id).replace(METASPACE, " ").strip().encode()
    else:
        written = tokenizer.token_bytes(token_id)
    for start, piece in ((at, written), (at + 1, written), (at, written.removeprefix(b" "))):
        skipped = data[at:start]
        if piece and skipped.strip(b" ") == b"" and data.startswith(piece, start):
            return start, start + len(piece)
    return at, at


def _char_of_byte(text: str) -> list[int]:
    """For each byte of the text in UTF-8, the character that it is part of."""
    return [at for at, char in enumerate(text) for _ in range(len(char.encode()))]
