"""A tokenizer small enough to learn in each test session."""

import pytest
from tokenizers import Tokenizer
from training import tokenizer as kind

from tests.samples import CODE


@pytest.fixture(scope="session")
def code() -> str:
    return CODE


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return kind.train([CODE] * 20, 440)


@pytest.fixture(scope="session")
def plain_tokenizer(tokenizer: Tokenizer) -> Tokenizer:
    return kind.plain(tokenizer)
