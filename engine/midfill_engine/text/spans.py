"""Where in a text its tokens stand: what `/tokenize` and an echoed prompt tell. Pure.

Called by `serve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from midfill_engine.text.detokenize import Detokenizer
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


def token_starts(tokenizer: Tokenizer, text: str) -> list[int]:
    """The character of a text at which each token of `token_spans` begins.

    Of one that the text does not hold, the character at which the text goes on.
    """
    starts: list[int] = []
    at = 0
    for span in token_spans(tokenizer, text):
        starts.append(span.start if span.stop > span.start else at)
        at = max(at, span.stop)
    return starts


def decoded_starts(tokenizer: Tokenizer, ids: Sequence[int]) -> list[int]:
    """The same for the text that `Tokenizer.decode` makes of token ids.

    It shows the names of some control tokens, and may leave out the space that begins a text.
    """
    decoder = Detokenizer(tokenizer)
    texts = [
        tokenizer.decode([token_id]) if tokenizer.is_special(token_id) else decoder.feed(token_id)
        for token_id in ids
    ]
    alone = (tokenizer.decode([token_id]) for token_id in ids)
    begins = (pair for pair in zip(texts, alone, strict=True) if any(pair))
    dropped = next((len(text) - len(shown) for text, shown in begins), 0)
    ends = accumulate(map(len, texts), initial=0)
    return [max(0, end - max(0, dropped)) for end in ends][:-1]


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
