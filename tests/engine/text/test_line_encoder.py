"""Ids by lines are the ids of the whole text, and only lines that changed are encoded again."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from tokenizers import Encoding, Regex, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as RawTokenizer
from tokenizers.pre_tokenizers import PreTokenizer
from tokenizers.trainers import BpeTrainer
from training.tokenizer import PIECES

from midfill_engine.model.source import STARTER_FOLDER
from midfill_engine.text.control_tokens import plain_spec
from midfill_engine.text.line_encoder import (
    BUNDLED_PATTERN,
    CL100K_PATTERN,
    LINE_ENDS_PATTERN,
    LineEncoder,
    cuts_of,
    encoding_of,
)
from tests.engine.text.vocabularies import code_llama

SYMBOLS = (
    *("\n", "\n", "\n", "\r", "\r\n", "\t", " ", " ", "    ", "\x0b", "\x0c", "\x1c", "\x85"),
    *("\u00a0", "\u2028", "▁", "a", "def", "return", "B", "é", "e\u0301", "\u0301", "字", "😀"),
    *("1", "23", "_", "__", ".", ";", "{", ")", '"', "'s", "'", "<s>", "</s>", "#", "ﬁ"),
)
OWN_SOURCE = Path(__file__).read_text(encoding="utf-8")


def random_text(rng: random.Random) -> str:
    return "".join(rng.choices(SYMBOLS, k=rng.randrange(40)))


def spec_of(folder: Path) -> dict[str, Any]:
    return plain_spec(json.loads((folder / "tokenizer.json").read_text()))


def of_bytes(*steps: PreTokenizer) -> dict[str, Any]:
    """The file of a small byte-level tokenizer, whose merges like blanks and line ends."""
    learner = RawTokenizer(models.BPE())
    learner.normalizer = normalizers.NFC()
    learner.pre_tokenizer = pre_tokenizers.Sequence([*steps])
    rng = random.Random(5)
    texts = [OWN_SOURCE, *(random_text(rng) for _ in range(300))]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=900, initial_alphabet=alphabet, show_progress=False)
    learner.train_from_iterator(texts, trainer)
    return cast("dict[str, Any]", json.loads(learner.to_str()))


def bytes_alone() -> PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def cl100k(pattern: str) -> dict[str, Any]:
    return of_bytes(pre_tokenizers.Split(Regex(pattern), "isolated"), bytes_alone())


def gpt2() -> dict[str, Any]:
    return of_bytes(pre_tokenizers.ByteLevel(add_prefix_space=False))


def starcoder() -> dict[str, Any]:
    digits = pre_tokenizers.Digits(individual_digits=True)
    return of_bytes(digits, pre_tokenizers.ByteLevel(add_prefix_space=False))


def deepseek() -> dict[str, Any]:
    patterns = ("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+")
    splits = (pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns)
    return of_bytes(*splits, pre_tokenizers.Digits(individual_digits=True), bytes_alone())


MADE: dict[str, Callable[[], dict[str, Any]]] = {
    "qwen2": lambda: cl100k(CL100K_PATTERN),
    "llama3": lambda: cl100k(CL100K_PATTERN.replace(r"\p{N}|", r"\p{N}{1,3}|")),
    "gpt2": gpt2,
    "starcoder": starcoder,
    "deepseek": deepseek,
}


@pytest.fixture(params=["bundled", "code_llama", *MADE])
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    if request.param == "bundled":
        return spec_of(STARTER_FOLDER)
    if request.param == "code_llama":
        code_llama(tmp_path)
        return spec_of(tmp_path)
    return MADE[request.param]()


def test_ids_are_those_of_the_whole_text(spec: dict[str, Any]) -> None:
    coder = RawTokenizer.from_str(json.dumps(spec))
    encoder = LineEncoder(coder, spec)
    assert encoder.cuts is not None
    rng = random.Random(1)
    mixed = (random_text(rng) for _ in range(4000))
    for text in (OWN_SOURCE, "x" * 3000 + "\n" * 50, *mixed):
        expected = coder.encode(text, add_special_tokens=False).ids
        assert encoder.encode(text) == expected, repr(text)
        assert encoder.encode(text) == expected, "the second time"


def test_only_the_line_that_changed_is_encoded_again() -> None:
    spec = spec_of(STARTER_FOLDER)
    asked: list[str] = []

    class Counting:
        coder = RawTokenizer.from_str(json.dumps(spec))

        def encode(self, text: str, add_special_tokens: bool) -> Encoding:
            asked.append(text)
            return self.coder.encode(text, add_special_tokens=add_special_tokens)

    encoder = LineEncoder(cast("RawTokenizer", Counting()), spec)
    encoder.encode("def first():\n    pass\n\n\ndef second():\n    ret")
    asked.clear()
    encoder.encode("def first():\n    pass\n\n\ndef second():\n    retu")
    assert asked == ["\n    retu"]


def test_a_pattern_may_spell_line_ends_or_hold_them() -> None:
    spelled = deepseek()
    spelled["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = LINE_ENDS_PATTERN
    assert cuts_of(spelled) == cuts_of(deepseek())


def test_the_bundled_pattern_is_the_one_that_training_uses() -> None:
    assert BUNDLED_PATTERN == PIECES


def test_where_nothing_surely_cuts_whole_texts_are_remembered(tmp_path: Path) -> None:
    code_llama(tmp_path)
    spec = {**spec_of(tmp_path), "pre_tokenizer": {"type": "Whitespace"}}
    assert cuts_of(spec) is None
    coder = RawTokenizer.from_str(json.dumps(spec))
    encoder = LineEncoder(coder, spec)
    for _ in range(2):
        assert encoder.encode(OWN_SOURCE) == coder.encode(OWN_SOURCE).ids


@pytest.mark.parametrize("change", ["token", "strip", "normalizer", "merge", "dropout", "pattern"])
def test_what_reaches_over_a_line_end_forbids_cuts(tmp_path: Path, change: str) -> None:
    code_llama(tmp_path)
    spec = spec_of(tmp_path)
    added = {"id": 31000, "content": "\n\n", "special": False, "lstrip": False, "rstrip": False}
    if change == "token":
        spec["added_tokens"] = [added]
    elif change == "strip":
        spec["added_tokens"] = [{**added, "content": "x", "rstrip": True}]
    elif change == "normalizer":
        spec["normalizer"] = {"type": "Strip", "strip_left": True, "strip_right": True}
    elif change == "merge":
        spec["model"]["vocab"]["\n▁"] = 31000
    elif change == "dropout":
        spec["model"]["dropout"] = 0.1
    else:
        spec["pre_tokenizer"] = {"type": "Whitespace"}
    assert cuts_of(spec) is None


def test_a_long_text_has_the_same_tokens_and_places(tmp_path: Path) -> None:
    code_llama(tmp_path)
    coder = RawTokenizer.from_str(json.dumps(spec_of(tmp_path)))
    text = OWN_SOURCE * 2
    assert len(text) > 4_096
    expected, found = coder.encode(text, add_special_tokens=False), encoding_of(coder, text)
    assert (found.ids, found.offsets) == (expected.ids, expected.offsets)


def test_other_threads_run_while_a_long_text_is_encoded() -> None:
    coder = RawTokenizer.from_str(json.dumps(spec_of(STARTER_FOLDER)))
    ended = threading.Event()

    def encode() -> None:
        encoding_of(coder, "x y " * 200_000)
        ended.set()

    thread = threading.Thread(target=encode)
    begin = last = time.perf_counter()
    longest = 0.0
    thread.start()
    while not ended.wait(0.001):
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    longest = max(longest, time.perf_counter() - last)
    thread.join()
    assert longest < (time.perf_counter() - begin) / 2
