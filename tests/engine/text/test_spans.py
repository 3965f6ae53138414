"""Where the tokens of an echoed prompt begin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from midfill_engine.text.spans import decoded_starts, token_starts
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.text import vocabularies

TEXTS = (
    "",
    "def f(s):",
    "  leading\r\n\ttab ",
    "größe = '☺👍🏽漢字'\n",
    " é",
)


def plain_starts(tokenizer: Tokenizer, ids: list[int], implicit_len: int) -> list[int]:
    """By the whole characters in the bytes of the tokens before; the space in front is no text."""
    parts = [tokenizer.token_bytes(token_id) for token_id in ids]
    befores = [b"".join(parts[:idx]).decode("utf-8", "ignore") for idx in range(len(ids))]
    return [max(0, len(before) - implicit_len) for before in befores]


@pytest.mark.parametrize("text", TEXTS)
def test_of_a_text(any_kind: Tokenizer, text: str) -> None:
    """Once a broken character counted as the ten letters that its token is told with."""
    ids = any_kind.encode_with_specials(text)
    data = b"".join(map(any_kind.token_bytes, ids)).decode()
    expected = plain_starts(any_kind, ids, len(data) - len(text))
    assert token_starts(any_kind, text) == expected


@pytest.mark.parametrize("text", TEXTS)
def test_of_token_ids(any_kind: Tokenizer, text: str) -> None:
    ids = any_kind.encode(text, bos=True)
    shown = any_kind.decode(ids)
    assert decoded_starts(any_kind, ids) == plain_starts(any_kind, ids, 0)
    assert plain_starts(any_kind, [*ids, 5], 0)[-1] == len(shown)


@pytest.mark.parametrize("text", TEXTS)
def test_of_token_ids_without_the_space_in_front(tmp_path: Path, text: str) -> None:
    """As Code Llama's own decoder has it."""
    vocabularies.code_llama(tmp_path)
    path = tmp_path / "tokenizer.json"
    spec = json.loads(path.read_text(encoding="utf-8"))
    spec["decoder"]["decoders"].append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    path.write_text(json.dumps(spec), encoding="utf-8")
    tokenizer = Tokenizer.load(tmp_path)
    ids = tokenizer.encode(text, bos=True)
    assert tokenizer.decode(ids) == text
    assert decoded_starts(tokenizer, ids) == token_starts(tokenizer, text)


def test_of_names_in_a_text(starter_kind: Tokenizer) -> None:
    """And what the text does not hold begins where it goes on."""
    text = "<PRE> 漢<SUF>x <MID>"
    assert token_starts(starter_kind, text) == [0, 0, 6, 6, 6, 7, 12, 14]
    ids = starter_kind.encode_with_specials(text)
    assert starter_kind.decode(ids) == "漢x"
    assert decoded_starts(starter_kind, ids) == [0, 0, 0, 0, 0, 1, 1, 2]


def test_of_names_that_decoding_shows(qwen_kind: Tokenizer) -> None:
    text = "<|fim_prefix|>def<|endoftext|>x<|fim_suffix|>é"
    ids = qwen_kind.encode_with_specials(text)
    assert qwen_kind.decode(ids) == text.replace("<|endoftext|>", "")
    assert decoded_starts(qwen_kind, ids) == [0, 14, 17, 17, 18, 32, 32]
    assert token_starts(qwen_kind, text) == [0, 14, 17, 30, 31, 45, 45]


def test_of_broken_characters(qwen_kind: Tokenizer) -> None:
    """The text goes on behind them; each stretch is one replacement character."""
    first, second = qwen_kind.encode("é", bos=False)
    letter = qwen_kind.encode("x", bos=False)[0]
    ids = [first, letter, first, second, letter, first]
    assert qwen_kind.decode(ids) == "\ufffdxéx\ufffd"
    assert decoded_starts(qwen_kind, ids) == [0, 0, 2, 2, 3, 4]
