"""GBNF means what it means to llama.cpp, and what is refused is told in the user's own names."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from midfill_engine.errors import GrammarError
from midfill_engine.exec.constrain import GrammarCompiler, Vocabulary
from midfill_engine.exec.gbnf import MAX_DEPTH, spelled
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


def chain(length: int) -> str:
    rules = [f'r{number} ::= r{number + 1} | "b"' for number in range(length)]
    return "\n".join(["root ::= r0", *rules, f'r{length} ::= "a"'])


def test_a_chain_of_rules_is_taken_as_deep_as_it_may_be(compiler: GrammarCompiler) -> None:
    assert takes(compiler, chain(MAX_DEPTH - 2), "a")
    with pytest.raises(GrammarError, match=f"lead to each other more than {MAX_DEPTH} deep"):
        compiler.compile(GrammarSource("gbnf", chain(MAX_DEPTH - 1)))


@pytest.mark.parametrize("entry", ["r1 | r0", "r1 | r0 | r0", f"r{MAX_DEPTH // 2} | r1 | r0"])
def test_a_chain_is_as_long_as_it_is_however_it_is_reached(entry: str) -> None:
    """Of a rule that was reached on a short way first, the long one was not counted."""
    deep = chain(MAX_DEPTH - 1).replace("root ::= r0", f"root ::= {entry}")
    with pytest.raises(GrammarError, match=f"more than {MAX_DEPTH} deep"):
        spelled(deep)
    assert spelled(chain(MAX_DEPTH - 2).replace("root ::= r0", f"root ::= {entry}"))


def test_many_long_chains_are_refused() -> None:
    one = chain(MAX_DEPTH - 3).partition("\n")[2]
    chains = [one.replace("r", f"{name}r") for name in "abc"]
    with pytest.raises(GrammarError, match="too many long chains"):
        spelled("\n".join(["root ::= ar0 | br0 | cr0", *chains]))
    assert spelled("\n".join(["root ::= ar0 | br0", *chains]))


def test_rules_that_lead_back_are_no_chain() -> None:
    rules = [f'r{number} ::= "b" root | r{number}' for number in range(2 * MAX_DEPTH)]
    choices = " | ".join(f"r{number}" for number in range(2 * MAX_DEPTH))
    assert "b" in spelled("\n".join([f"root ::= {choices}", *rules]))


def test_a_deep_grammar_does_not_need_the_callers_stack(compiler: GrammarCompiler) -> None:
    """A stack that ends takes the whole process with it, so this is tried in one of its own."""
    references = {
        f"s{number}": {"anyOf": [{"$ref": f"#/$defs/s{number + 1}"}]} for number in range(900)
    }
    schema = {"$ref": "#/$defs/s0", "$defs": {**references, "s900": {"const": 1}}}
    code = (
        "import json, sys, threading\n"
        "from midfill_engine.exec.constrain import GrammarCompiler, Vocabulary\n"
        "from midfill_engine.exec.grammar_source import GrammarSource\n"
        "pieces = [bytes([number]) for number in range(256)]\n"
        "compiler = GrammarCompiler(lambda: Vocabulary(pieces, lambda text: list(text.encode())))\n"
        "def run():\n"
        "    for source in json.load(sys.stdin):\n"
        "        compiler.compile(GrammarSource(*source))\n"
        "        print('compiled', flush=True)\n"
        "threading.stack_size(1 << 18)\n"
        "thread = threading.Thread(target=run)\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    sources = [("gbnf", chain(MAX_DEPTH - 2)), ("json_schema", json.dumps(schema))]
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(sources),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (0, ["compiled"] * 2), done.stderr
