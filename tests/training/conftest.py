"""A tokenizer small enough to learn in each test session."""

import pytest
from tokenizers import Tokenizer
from training import tokenizer as kind

CODE = '''import os


class Greeter:
    """Says hello."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0

    def greet(self, loud: bool = False) -> str:
        text = f"hello {self.name}"
        if loud:
            return text.upper()
        self.count += 1
        return text


def main() -> None:
    for number in range(10):
        print(Greeter(os.environ["USER"]).greet(number > 3))
'''


@pytest.fixture(scope="session")
def code() -> str:
    return CODE


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return kind.train([CODE] * 20, 440)


@pytest.fixture(scope="session")
def plain_tokenizer(tokenizer: Tokenizer) -> Tokenizer:
    return kind.plain(tokenizer)
