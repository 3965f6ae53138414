"""Plain text stays plain, control tokens are read where they are meant, broken files are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from midfill_engine.errors import ModelError
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.text.vocabularies import (
    GOLDEN_IDS,
    GOLDEN_PREFIX,
    GOLDEN_SUFFIX,
    byte_level,
)
from tests.engine.text.vocabularies import code_llama as write_code_llama


@pytest.mark.parametrize(
    "text",
    [
        "<s>",
        "</s>",
        "▁<PRE>",
        "<PRE> x <SUF>y <MID>",
        " <EOT>",
        "a</s>b",
        "<|endoftext|>",
        "<|fim_prefix|>x<|fim_middle|>",
    ],
)
def test_a_control_token_in_user_text_stays_text(any_kind: Tokenizer, text: str) -> None:
    ids = any_kind.encode(text, bos=False, leading_space=False)
    assert not any(any_kind.is_special(token_id) for token_id in ids)
    joined = b"".join(any_kind.token_bytes(token_id) for token_id in ids).decode()
    assert joined == (text.replace("▁", " ") if any_kind.kind == "metaspace" else text)


def test_a_control_token_that_merges_build_is_spelled_out(tmp_path: Path) -> None:
    tokenizer = byte_level(tmp_path)
    spec = json.loads((tmp_path / "tokenizer.json").read_text())
    vocab, merges = spec["model"]["vocab"], spec["model"]["merges"]
    vocab["<b"] = 900
    vocab["<b>"] = 901
    merges[:0] = [["<", "b"], ["<b", ">"]]
    spec["added_tokens"].append({**spec["added_tokens"][0], "id": 901, "content": "<b>"})
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec))
    tokenizer = Tokenizer.load(tmp_path)
    assert tokenizer.encode_with_specials("<b>") == [901]
    ids = tokenizer.encode("<b>", bos=False)
    assert 901 not in ids
    assert b"".join(tokenizer.token_bytes(token_id) for token_id in ids) == b"<b>"


def test_leading_space_is_llamas_and_can_be_left_out(
    code_llama: Tokenizer, starter_kind: Tokenizer
) -> None:
    def text(tokenizer: Tokenizer, *, leading_space: bool) -> bytes:
        ids = tokenizer.encode("def x", bos=False, leading_space=leading_space)
        return b"".join(tokenizer.token_bytes(token_id) for token_id in ids)

    assert text(code_llama, leading_space=True) == b" def x"
    assert text(code_llama, leading_space=False) == b"def x"
    assert text(starter_kind, leading_space=True) == b"def x"
    assert code_llama.encode("", bos=True) == [1]


def test_beginning_token_only_where_the_model_has_one(
    starter_kind: Tokenizer, qwen_kind: Tokenizer
) -> None:
    assert starter_kind.encode("x", bos=True)[0] == starter_kind.bos_id == 1
    assert starter_kind.encode("x", bos=False)[0] != 1
    assert qwen_kind.encode("x", bos=True) == qwen_kind.encode("x", bos=False)
    assert starter_kind.eos_ids == {2}


def test_text_form_of_an_infill_prompt_reads_as_the_sentinels(code_llama: Tokenizer) -> None:
    text = f"<PRE> {GOLDEN_PREFIX} <SUF>{GOLDEN_SUFFIX} <MID>"
    assert " ".join(map(str, code_llama.encode_with_specials(text))) == GOLDEN_IDS
    assert " ".join(map(str, code_llama.encode_with_specials("<s>" + text))) == GOLDEN_IDS


def test_text_form_without_implicit_space_leaves_the_forms_spaces_out(
    starter_kind: Tokenizer,
) -> None:
    pre, suf, mid = (starter_kind.token_id(f"▁<{name}>") for name in ("PRE", "SUF", "MID"))
    a, b = (starter_kind.token_id(char) for char in "ab")
    assert starter_kind.encode_with_specials("<PRE> a <SUF>b <MID>") == [1, pre, a, suf, b, mid]
    assert starter_kind.encode_with_specials("<PRE> <SUF>b <MID> a") == [1, pre, suf, b, mid, a]


def test_specials_are_read_where_they_are_meant(qwen_kind: Tokenizer) -> None:
    ids = qwen_kind.encode_with_specials("<|fim_prefix|>a<|fim_suffix|><|fim_middle|>")
    special = [qwen_kind.is_special(token_id) for token_id in ids]
    assert special == [True, False, True, True]
    assert [qwen_kind.token_bytes(token_id) for token_id in ids] == [b"", b"a", b"", b""]


def test_lone_surrogates_do_not_raise(any_kind: Tokenizer) -> None:
    ids = any_kind.encode("a\ud800b", bos=False, leading_space=False)
    assert b"".join(any_kind.token_bytes(token_id) for token_id in ids) == "a\ufffdb".encode()


def test_ids_outside_the_vocabulary_are_empty(any_kind: Tokenizer) -> None:
    assert any_kind.token_bytes(any_kind.vocab_size) == b""
    assert any_kind.token_text(any_kind.vocab_size) == ""


@pytest.mark.parametrize("content", [None, "{", "[]", '{"model": 3}'])
def test_a_missing_or_broken_file_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match=r"tokenizer\.json") as caught:
        Tokenizer.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_broken_config_beside_it_is_named(tmp_path: Path) -> None:
    byte_level(tmp_path)
    (tmp_path / "generation_config.json").write_text("{")
    with pytest.raises(ModelError, match=r"generation_config\.json"):
        Tokenizer.load(tmp_path)


def test_end_tokens_are_gathered_from_all_files(tmp_path: Path) -> None:
    byte_level(tmp_path)
    (tmp_path / "config.json").write_text('{"eos_token_id": 7, "bos_token_id": 3}')
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [8, 9]}')
    tokenizer = Tokenizer.load(tmp_path)
    assert tokenizer.eos_ids >= {7, 8, 9}
    assert tokenizer.bos_id == 3
    assert not tokenizer.adds_bos


def test_a_text_has_at_least_as_many_tokens_as_told(any_kind: Tokenizer) -> None:
    vocab = [any_kind.token_text(token_id) for token_id in range(any_kind.vocab_size)]
    longest = any_kind.token_bytes(vocab.index(max(vocab, key=len))).decode("utf-8", "replace")
    for text in (longest * 50, "a\u0301" * 300, "x = 1\n" * 100, "\u1f82" * 100, "字" * 100):
        ids = any_kind.encode(text, bos=False, leading_space=False)
        assert any_kind.least_tokens(len(text)) <= len(ids)
    assert any_kind.least_tokens(100_000) > 100


@pytest.mark.parametrize("change", ["added", "normalizer", "regex", "unknown"])
def test_where_a_token_may_stand_for_any_number_of_characters(tmp_path: Path, change: str) -> None:
    write_code_llama(tmp_path)
    spec = json.loads((tmp_path / "tokenizer.json").read_text())
    if change == "added":
        spec["added_tokens"][0]["rstrip"] = True
    elif change == "normalizer":
        spec["normalizer"] = {"type": "Strip", "strip_left": True, "strip_right": True}
    elif change == "regex":
        spec["normalizer"] = {"type": "Replace", "pattern": {"Regex": " +"}, "content": "▁"}
    else:
        spec["model"]["byte_fallback"] = False
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec))
    assert Tokenizer.load(tmp_path).least_tokens(10**6) == 0
