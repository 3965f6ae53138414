"""One tokenizer of each kind, loaded once."""

from __future__ import annotations

from pathlib import Path

import pytest

from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.text import vocabularies
from tests.engine.tiny import write_tiny_tokenizer


@pytest.fixture(scope="session")
def code_llama(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return vocabularies.code_llama(tmp_path_factory.mktemp("code_llama"))


@pytest.fixture(scope="session")
def starter_kind(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder: Path = tmp_path_factory.mktemp("starter_kind")
    write_tiny_tokenizer(folder)
    return Tokenizer.load(folder)


@pytest.fixture(scope="session")
def qwen_kind(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    names = ("prefix", "suffix", "middle", "pad")
    specials = [(f"<|fim_{name}|>", False) for name in names] + [("<|file_sep|>", False)]
    return vocabularies.byte_level(tmp_path_factory.mktemp("qwen_kind"), specials)


@pytest.fixture(scope="session")
def word_pieces(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return vocabularies.word_pieces(tmp_path_factory.mktemp("word_pieces"))


@pytest.fixture(params=["code_llama", "starter_kind", "qwen_kind"])
def any_kind(request: pytest.FixtureRequest) -> Tokenizer:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Tokenizer)
    return found
