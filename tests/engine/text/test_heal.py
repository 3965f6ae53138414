"""What is taken back at the cursor, and which tokens may repeat it, on every kind of vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midfill_engine.text.heal import MAX_BYTES, MAX_TOKENS, Healing, HealingState, PieceIndex
from midfill_engine.text.tokenizer import Tokenizer

_SETTINGS = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
_TEXTS = st.text(st.sampled_from("  deftimporn.=(:)é😀\t"), min_size=1, max_size=8)


@dataclass(frozen=True)
class Vocabulary:
    """A vocabulary of bytes; what `PieceIndex` needs of a tokenizer."""

    pieces: Sequence[bytes]
    kind: Literal["byte_level", "other"] = "byte_level"

    @property
    def vocab_size(self) -> int:
        return len(self.pieces)

    def token_bytes(self, token_id: int) -> bytes:
        return self.pieces[token_id]

    def index(self, vocab_size: int = 10**6) -> PieceIndex:
        return PieceIndex(cast("Tokenizer", self), vocab_size)

    def ids(self, *pieces: bytes) -> list[int]:
        return [self.pieces.index(piece) for piece in pieces]


WORDS = Vocabulary(
    (
        b"",
        b"r",
        b"e",
        b"t",
        b"u",
        b"n",
        b"ret",
        b"ur",
        b"url",
        b"return",
        b"returned",
        b"\n",
        b"\n ",
    )
)


@cache
def _index(tokenizer: Tokenizer) -> PieceIndex:
    return PieceIndex(tokenizer, tokenizer.vocab_size)


@cache
def _pieces(tokenizer: Tokenizer) -> list[bytes]:
    return [tokenizer.token_bytes(token_id) for token_id in range(tokenizer.vocab_size)]


def _brute_force(tokenizer: Tokenizer, text: bytes) -> set[int]:
    """Allowed ids by looking at every piece; every byte is a piece, so no rest is a dead end."""
    return {
        token_id
        for token_id, piece in enumerate(_pieces(tokenizer))
        if piece and (piece.startswith(text) or text.startswith(piece))
    }


@_SETTINGS
@given(text=_TEXTS)
@pytest.mark.parametrize("kind", ["starter_kind", "qwen_kind", "code_llama"])
def test_allowed_are_the_beginnings_and_the_continuations(
    request: pytest.FixtureRequest, kind: str, text: str
) -> None:
    tokenizer: Tokenizer = request.getfixturevalue(kind)
    wanted = text.encode()
    allowed = _index(tokenizer).allowed(wanted)
    assert set(allowed) == _brute_force(tokenizer, wanted)
    assert len(set(allowed)) == len(allowed)
    assert not any(tokenizer.is_special(token_id) for token_id in allowed)


@_SETTINGS
@given(text=_TEXTS)
def test_taken_back_is_short_and_some_piece_goes_on_from_it(any_kind: Tokenizer, text: str) -> None:
    ids = any_kind.encode(text, bos=True)
    count = _index(any_kind).take_back(ids)
    assert 0 <= count <= MAX_TOKENS
    taken = b"".join(any_kind.token_bytes(token_id) for token_id in ids[len(ids) - count :])
    assert len(taken) <= MAX_BYTES
    pieces = (piece for piece in _pieces(any_kind) if piece.startswith(taken))
    assert not count or any(piece != taken for piece in pieces)


@pytest.mark.parametrize(
    ("pieces", "count"),
    [
        ([b"ret"], 1),
        ([b"n", b"ret", b"ur"], 2),  # "retur" becomes "return"
        ([b"ret", b"ur", b"n"], 3),  # "return" becomes "returned"
        ([b"r", b"e", b"t", b"u"], 1),  # four tokens are too many; "u" becomes "ur"
        ([b"e", b"n"], 0),
        ([b"url"], 0),
        ([], 0),
        ([b"r", b"\n"], 0),  # a line end stays, though a piece goes on from it
        ([b"\n", b"ret"], 1),
        ([b"ret", b"", b"ur"], 1),  # a control token stays, and what is before it
        ([b""], 0),
    ],
)
def test_the_longest_end_that_a_piece_goes_on_from(pieces: list[bytes], count: int) -> None:
    assert WORDS.index().take_back(WORDS.ids(*pieces)) == count


def test_a_long_end_stays() -> None:
    vocabulary = Vocabulary((b"x" * 15, b"y", b"x" * 15 + b"yy", b"x" * 15 + b"yyy"))
    assert vocabulary.index().take_back([0, 1]) == 2
    assert vocabulary.index().take_back([0, 1, 1]) == 0
    assert vocabulary.index().take_back([2]) == 0


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("x impor", "impor"),
        ("x import", ""),
        ("def", "def"),
        ("\n", ""),
        ("\n  ", "  "),
        ("x😀", ""),
    ],
)
def test_ends_in_the_starters_kind(starter_kind: Tokenizer, text: str, taken: str) -> None:
    ids = starter_kind.encode(text, bos=False)
    count = _index(starter_kind).take_back(ids)
    rest = b"".join(starter_kind.token_bytes(token_id) for token_id in ids[len(ids) - count :])
    assert rest.decode() == taken


@pytest.mark.parametrize(
    ("text", "taken"), [(" retur", " retur"), ("x  ", "  "), ("é", ""), ("x", "")]
)
def test_ends_in_a_byte_level_vocabulary(qwen_kind: Tokenizer, text: str, taken: str) -> None:
    ids = qwen_kind.encode(text, bos=False)
    count = _index(qwen_kind).take_back(ids)
    rest = b"".join(qwen_kind.token_bytes(token_id) for token_id in ids[len(ids) - count :])
    assert rest.decode() == taken


def test_an_emoji_may_be_written_in_bytes(starter_kind: Tokenizer) -> None:
    state = HealingState(Healing("😀".encode(), _index(starter_kind)))
    for byte in "😀".encode():
        allowed = state.allowed()
        assert allowed is not None
        assert list(allowed) == [3 + byte]  # the tiny vocabulary has nothing else
        assert state.accept(bytes([byte]))
    assert state.allowed() is None
    assert state.num_repeated == 4


def test_no_beginning_leads_into_a_dead_end() -> None:
    vocabulary = Vocabulary((b"a", b"ab", b"abc", b"cd", b"c", b"abcde"))
    index = vocabulary.index()
    assert sorted(index.allowed(b"ab")) == vocabulary.ids(b"ab", b"abc", b"abcde")  # no "b" alone
    assert sorted(index.allowed(b"abcd")) == vocabulary.ids(b"ab", b"abcde")  # no "d" alone


def test_ids_outside_of_the_embedding_never_come(starter_kind: Tokenizer) -> None:
    text = b" r"
    everything = set(_index(starter_kind).allowed(text))
    limit = sorted(everything)[1]
    assert set(PieceIndex(starter_kind, limit).allowed(text)) == {
        i for i in everything if i < limit
    }


def test_tokens_that_are_no_bytes_are_never_taken_back(word_pieces: Tokenizer) -> None:
    index = _index(word_pieces)
    assert index.take_back(word_pieces.encode("de", bos=False)) == 0
    assert index.ready


def test_the_index_is_built_at_first_use(starter_kind: Tokenizer) -> None:
    index = PieceIndex(starter_kind, starter_kind.vocab_size)
    assert not index.ready
    index.allowed(b" ")
    assert index.ready


def test_the_state_counts_what_only_repeats() -> None:
    state = HealingState(Healing(b"retur", WORDS.index()))
    assert state.accept(b"ret")
    assert state.left == b"ur"
    assert not state.accept(b"url")
    assert (state.left, state.num_repeated, state.allowed()) == (b"", 1, None)
    assert not state.accept(b"\n")
    with pytest.raises(AssertionError):
        HealingState(Healing(b"ur", WORDS.index())).accept(b"e")


def test_without_healing_any_token_may_come() -> None:
    state = HealingState(None)
    assert state.allowed() is None
    assert not state.accept(b"e")
    assert state.num_repeated == 0
