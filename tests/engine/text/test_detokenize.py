"""Joined deltas are the text, and no character is ever sent broken."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from midfill_engine.text.detokenize import Detokenizer
from midfill_engine.text.tokenizer import Tokenizer

_TEXTS = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"], exclude_characters="▁"),
        st.sampled_from(" \t\r\n\x00\x1b{}()\"'é☺👍🏽漢字‍"),
    ),
    max_size=60,
)
_SETTINGS = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def _deltas(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    detokenizer = Detokenizer(tokenizer)
    return [*(detokenizer.feed(token_id) for token_id in ids), detokenizer.flush()]


@_SETTINGS
@given(text=_TEXTS)
@example(text="  leading\r\n\ttab \U0001f600 end ")
@example(text="<0x0A></s><PRE> é")
def test_joined_deltas_are_the_text(any_kind: Tokenizer, text: str) -> None:
    ids = any_kind.encode(text, bos=True, leading_space=False)
    deltas = _deltas(any_kind, ids)
    assert "".join(deltas) == text
    assert "\ufffd" in text or not any("\ufffd" in delta for delta in deltas)


def test_a_character_appears_with_its_last_byte(any_kind: Tokenizer) -> None:
    ids = any_kind.encode("😀", bos=False, leading_space=False)
    assert _deltas(any_kind, ids) == ["", "", "", "😀", ""]


def test_an_unfinished_character_at_the_end_is_dropped(any_kind: Tokenizer) -> None:
    """It was U+FFFD, which a token limit then put into the user's code."""
    ids = any_kind.encode("a😀", bos=False, leading_space=False)[:-1]
    assert _deltas(any_kind, ids) == ["a", "", "", "", ""]


def test_leading_space_of_the_first_token_is_kept(code_llama: Tokenizer) -> None:
    assert _deltas(code_llama, [736, 1121]) == [" return", " result", ""]


def test_control_tokens_are_no_text(starter_kind: Tokenizer) -> None:
    a = starter_kind.token_id("a")
    eot = starter_kind.token_id("▁<EOT>")
    assert a is not None
    assert eot is not None
    assert _deltas(starter_kind, [1, a, eot, 2]) == ["", "a", "", "", ""]


@pytest.mark.parametrize("text", ["def xy", "x = def"])
def test_other_kinds_decode_with_offsets(word_pieces: Tokenizer, text: str) -> None:
    ids = word_pieces.encode(text, bos=False)
    assert word_pieces.kind == "other"
    assert "".join(_deltas(word_pieces, ids)) == text
