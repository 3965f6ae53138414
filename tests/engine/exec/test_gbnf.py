"""GBNF means what it means to llama.cpp, and what is refused is told in the user's own names."""

from __future__ import annotations

import re

import pytest

from midfill_engine.errors import GrammarError
from midfill_engine.exec.constrain import GrammarCompiler, Vocabulary
from midfill_engine.exec.grammar_source import GrammarSource

BYTES = tuple(bytes([byte]) for byte in range(256))
STOPS = frozenset({256})


@pytest.fixture(scope="module")
def compiler() -> GrammarCompiler:
    return GrammarCompiler(lambda: Vocabulary((*BYTES, b""), lambda text: list(text.encode())))


def takes(compiler: GrammarCompiler, grammar: str, text: str) -> bool:
    state = compiler.compile(GrammarSource("gbnf", grammar)).begin()
    for byte in text.encode():
        if state.complete or not state.mask(STOPS)[byte]:
            return False
        state.accept(byte)
    return state.complete or bool(state.mask(STOPS)[256])


@pytest.mark.parametrize(
    ("grammar", "good", "bad"),
    [
        # Names: the converter makes `start` of `root`, and others alike.
        ('root ::= start\nstart ::= "x"', "x", "y"),
        ('root ::= A a\nA ::= "1"\na ::= "2"', "12", "11"),
        ('root ::= a-b a_b aB\na-b ::= "1"\na_b ::= "2"\naB ::= "3"', "123", "111"),
        ('root ::= i-b iB\ni-b ::= "1" i-b | "1"\niB ::= "2" iB | "2"', "112", "122x"),
        ('root ::= r2 r1\nr1 ::= "1"\nr2 ::= "2"', "21", "12"),
        ('root ::= "a" json-string\njson-string ::= "b" root?', "abab", "aba"),
        ('root ::= x{2,3} # x "\nx ::= "x" # root', "xx", "x"),
        # Characters, by number or not; what is one to llguidance only, is none.
        ('root ::= "\\u00e9\\U0001F600\\xe8"', "é😀è", "é"),
        ('root ::= "\\x41\\x00\\x7f\\\\\\"\\t\\r\\n"', 'A\0\x7f\\"\t\r\n', "A"),
        ('root ::= "\\[\\]\\-//#%"', "[]-//#%", "[]"),
        ('root ::= "a\nb"', "a\nb", "a"),
        ('root ::= "start ::= [.] x"', "start ::= [.] x", "x"),
        ("root ::= [\\u00e9\\U0001F600-\\U0001F602]+", "é😁", "e"),
        ("root ::= [\\u4e00-\\u9fff]", "中", "a"),
        ("root ::= [a&&b.]+", "a&b.", "c"),
        ("root ::= [a-c-]+", "b-", "d"),
        ("root ::= [-a]+", "-a", "b"),
        ("root ::= [\\]\\[/^]+", "][/^", "\\"),
        ("root ::= [^\\]\\n]+", "[é", "]"),
        ("root ::= [^\\x61]", "\n", "a"),
        # Any character, a newline among them.
        ("root ::= .", "\n", ""),
        ('root ::= .{2} "."', "\n😀.", "\n😀x"),
    ],
)
def test_what_llama_cpp_takes(compiler: GrammarCompiler, grammar: str, good: str, bad: str) -> None:
    assert takes(compiler, grammar, good)
    assert not takes(compiler, grammar, bad)


@pytest.mark.parametrize(
    ("grammar", "reason"),
    [
        ("root ::= my-item\nmy-item ::= Lost", "Rule 'Lost' not found"),
        ('Start ::= "x"', "No 'root' rule"),
        ('root ::= item\nitem ::= ) "x"', r"line 2, 't ::= item\nitem ::= '"),
        ('root ::= item\nitem ::= "\\q"', "Invalid escape sequence \\q at line 2"),
        ('root ::= "\\ud83d"', r"\ud83d is no character"),
        ("root ::= [\\U00110000]", r"\U00110000 is no character"),
        ("root ::= [z-a]", "character class range"),
        ("root ::= []", "unclosed character class"),
        ("root ::= [^]", "unclosed character class"),
        ('root ::= "' + "a" * 40, "Unexpected end of input"),
        ("root ::= " + "[" * 60_000, "Unexpected end of input"),
    ],
)
def test_what_is_refused(compiler: GrammarCompiler, grammar: str, reason: str) -> None:
    with pytest.raises(GrammarError, match=re.escape(reason)):
        compiler.compile(GrammarSource("gbnf", grammar))
