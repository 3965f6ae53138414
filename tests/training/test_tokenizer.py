"""The tokenizer gives back what it was given, and keeps sentinels out of users' text."""

import pytest
from tokenizers import Tokenizer
from training import tokenizer as kind

TEXTS = [
    "",
    " ",
    "        return x\n",
    "  two leading, two trailing  ",
    "\tif x:\n\t\treturn\r\n",
    "a\r\nb\rc\n\n\n    d",
    "s = '🙂👩‍👩‍👧 naïve Ελλάδα 漢字'",
    " " * 61 + "x",
    "x = 1234567890.5e-3",
    "snake_case_name __dunder__ _private",
    "<s></s><PRE> <unk> <0x41>",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_comes_back_exactly(plain_tokenizer: Tokenizer, text: str) -> None:
    ids = kind.encode(plain_tokenizer, text)
    assert plain_tokenizer.decode(ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_encoded_apart_join(plain_tokenizer: Tokenizer, text: str) -> None:
    for cut in range(len(text)):
        ids = kind.encode(plain_tokenizer, text[:cut]) + kind.encode(plain_tokenizer, text[cut:])
        assert plain_tokenizer.decode(ids, skip_special_tokens=False) == text


def test_sentinels_in_user_text_stay_plain(plain_tokenizer: Tokenizer) -> None:
    special = {plain_tokenizer.token_to_id(token) for token in (*kind.SPECIAL, *kind.SENTINELS)}
    text = "".join((*kind.SPECIAL, *kind.SENTINELS))
    ids = kind.encode(plain_tokenizer, text)
    assert not special & set(ids)
    assert plain_tokenizer.decode(ids, skip_special_tokens=False) == text.replace("▁", " ")


def test_learning_is_repeatable(tokenizer: Tokenizer, code: str) -> None:
    """Letters outside ASCII once came in another order in every process."""
    rare = "".join(chr(number) for number in range(0x3B1, 0x3C9))
    one, other = (kind.train([code, rare] * 20, 440).to_str() for _ in range(2))
    assert one == other
    assert tokenizer.token_to_id(rare[0]) is None


def test_ids_stand_in_the_order_of_llama(tokenizer: Tokenizer) -> None:
    assert [tokenizer.token_to_id(token) for token in kind.SPECIAL] == [0, 1, 2]
    assert tokenizer.token_to_id("<0x00>") == 3
    assert tokenizer.token_to_id("<0xFF>") == 258
    last = tokenizer.get_vocab_size() - 1
    assert tokenizer.token_to_id("▁<EOT>") == last


def test_indentation_is_one_token_with_its_line_end(plain_tokenizer: Tokenizer) -> None:
    encoding = plain_tokenizer.encode("x\n    y\n        z", add_special_tokens=False)
    assert [token for token in encoding.tokens if "\n" in token] == ["\n▁▁▁", "\n▁▁▁▁▁▁▁"]


def test_a_line_end_only_begins_a_token(tokenizer: Tokenizer) -> None:
    assert not [token for token in tokenizer.get_vocab() if "\n" in token[1:]]


def test_digits_stand_alone(plain_tokenizer: Tokenizer) -> None:
    assert plain_tokenizer.encode("1234", add_special_tokens=False).tokens == ["1", "2", "3", "4"]
