"""Grammars by themselves: what they let through, what they refuse, and their bounds."""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import numpy as np
import pytest

from midfill_engine.errors import EngineError, GrammarError
from midfill_engine.exec.constrain import (
    MAX_CACHED,
    Constraint,
    Grammar,
    GrammarCompiler,
    Match,
    Vocabulary,
    by_abi,
    by_binding,
)
from midfill_engine.exec.grammar_source import MAX_SOURCE_CHARS, GrammarSource
from midfill_engine.exec.guidance_abi import AbiTokenizer, Matcher, library

_WORDS = (
    b'{"',
    b'":',
    b"name",
    b"true",
    b"null",
    b"  ",
    b"\n",
    b"12",
    b'"}',
    b'", "',
    b"ab",
    b"\xe2\x82",
)
PIECES = (b"", *(bytes([byte]) for byte in range(256)), *_WORDS, b"")
STOP = 0
OTHER_STOP = len(PIECES) - 1
STOPS = frozenset({STOP, OTHER_STOP})


def vocabulary() -> Vocabulary:
    return Vocabulary(PIECES, lambda text: [1 + byte for byte in text.encode()])


@pytest.fixture(scope="module")
def compiler() -> GrammarCompiler:
    return GrammarCompiler(vocabulary)


def ids(text: str) -> list[int]:
    return [1 + byte for byte in text.encode()]


def fed(grammar: Grammar, text: str) -> Constraint:
    state = grammar.begin()
    for token_id in ids(text):
        assert state.mask(STOPS)[token_id], text
        state.accept(token_id)
    return state


def walk(grammar: Grammar, rng: random.Random, most: int = 400) -> bytes | None:
    """A random answer, ended where the grammar allows it; None if it did not end."""
    state, text = grammar.begin(), b""
    for _ in range(most):
        mask = state.mask(STOPS)
        assert len(mask) == len(PIECES)
        assert mask[STOP] == mask[OTHER_STOP]
        if mask[STOP] and (state.complete or rng.random() < 0.5):
            return text
        choices = np.flatnonzero(mask[1:-1]) + 1
        token_id = int(choices[rng.randrange(len(choices))])
        text += PIECES[token_id]
        state.accept(token_id)
        if state.complete:
            assert np.flatnonzero(state.mask(STOPS)).tolist() == [STOP, OTHER_STOP]
            return text
    return None


SCHEMAS: tuple[dict[str, Any], ...] = (
    {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False},
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 5},
            "tags": {"type": "array", "items": {"enum": ["x", "y", 3]}, "maxItems": 3},
        },
        "required": ["name", "tags"],
        "additionalProperties": False,
    },
    {"anyOf": [{"type": "boolean"}, {"type": "number", "minimum": 2, "maximum": 40}]},
    {"$ref": "#/$defs/t", "$defs": {"t": {"type": ["null", "string"], "pattern": "^a[bc]{0,3}$"}}},
)


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
def test_every_finished_walk_is_json_of_its_schema(
    compiler: GrammarCompiler, schema: dict[str, Any]
) -> None:
    grammar = compiler.compile(GrammarSource.json_schema(schema))
    rng = random.Random(3)
    answers = [walk(grammar, rng) for _ in range(60)]
    finished = [answer for answer in answers if answer is not None]
    assert len(finished) > 40
    for answer in finished:
        jsonschema.validate(json.loads(answer), schema)


def test_any_json_object(compiler: GrammarCompiler) -> None:
    grammar = compiler.compile(GrammarSource.json_object())
    for good in ('{"a": [1, {"b": null}]}', '{\n  "a": "é",\n  "b": false\n}', "{}"):
        assert fed(grammar, good).complete
    state = grammar.begin()
    assert np.flatnonzero(state.mask(STOPS)).tolist() == [*ids("{"), 257]


@pytest.mark.parametrize(
    "regex", [r"\d{3}-[a-c]+", "a/b", r"a\/b|x", "(yes|no)[.!]?", "[^\n/]é\n?"]
)
def test_every_finished_walk_matches_its_regex(compiler: GrammarCompiler, regex: str) -> None:
    grammar = compiler.compile(GrammarSource("regex", regex))
    rng = random.Random(4)
    for _ in range(30):
        answer = walk(grammar, rng)
        assert answer is None or re.fullmatch(regex, answer.decode()), answer


def test_gbnf(compiler: GrammarCompiler) -> None:
    text = 'root ::= "(" root ")" | word\nword ::= [a-z]{2,3}  # short\n'
    grammar = compiler.compile(GrammarSource("gbnf", text))
    assert fed(grammar, "((ab))").complete
    assert not fed(grammar, "((ab").mask(STOPS)[STOP]


def test_no_text_is_forced_into_the_tokenizers_own_tokens(compiler: GrammarCompiler) -> None:
    mask = compiler.compile(GrammarSource("regex", "abcd")).begin().mask(STOPS)
    assert {PIECES[token_id] for token_id in np.flatnonzero(mask)} == {b"a", b"ab"}


def test_a_prefix_is_repeated_first(compiler: GrammarCompiler) -> None:
    grammar = compiler.compile(GrammarSource("gbnf", 'root ::= "x" | "(" root ")"'), 'é"\\\n{')
    assert grammar.prefix_len == 6
    assert fed(grammar, 'é"\\\n{(x)').complete
    with pytest.raises(AssertionError):
        fed(grammar, "(x)")


def test_a_copy_goes_its_own_way(compiler: GrammarCompiler) -> None:
    state = fed(compiler.compile(GrammarSource("regex", "a(b|c)d")), "a")
    before = state.mask(STOPS)
    ahead = state.copy()
    for token_id in ids("cd"):
        ahead.accept(token_id)
    assert ahead.complete
    assert not state.complete
    assert np.array_equal(state.mask(STOPS), before)


_REFUSED = [
    (GrammarSource("regex", "["), "unclosed character class"),
    (GrammarSource("regex", "(?=a)b"), "look-around"),
    (GrammarSource("regex", "(" * 5000 + ")" * 5000), "nested parentheses"),
    (GrammarSource("gbnf", 'foo ::= "x"'), "No 'root' rule"),
    (GrammarSource("gbnf", 'root ::= "x" ["'), "line 1"),
    (GrammarSource("lark", "start: nothing"), "nothing"),
    (GrammarSource.json_schema({"type": "frob"}), "Invalid type: frob"),
    (GrammarSource.json_schema({"not": {"type": "null"}}), 'Unimplemented keys: ["not"]'),
    (GrammarSource.json_schema({"$ref": "#/x"}), "'/x' does not exist"),
    (GrammarSource.json_schema({"$ref": "http://127.0.0.1:1/x"}), "not"),
    (GrammarSource.json_schema({"$ref": "#"}), "no token of this model"),
    (GrammarSource("regex", ""), "only an empty"),
    (GrammarSource("regex", "[^\\x00-\\U0010FFFF]a"), "no token of this model"),
    (GrammarSource.json_schema({"enum": []}), "Unsatisfiable"),
    (GrammarSource.json_schema([]), "must be an object"),
    (GrammarSource.json_schema("{}"), "must be an object"),
    (GrammarSource.json_schema(False), "must be an object"),
    (GrammarSource("regex", "a" * (MAX_SOURCE_CHARS + 1)), "at most 65536"),
]


@pytest.mark.parametrize(("source", "reason"), _REFUSED, ids=range(len(_REFUSED)))
def test_what_cannot_be_used_is_refused_in_one_line(
    compiler: GrammarCompiler, source: GrammarSource, reason: str
) -> None:
    with pytest.raises(GrammarError) as caught:
        compiler.compile(source)
    told = str(caught.value)
    assert reason in told
    assert len(told) <= 200
    assert "\n" not in told


def test_a_regex_that_explodes_ends_its_own_request(compiler: GrammarCompiler) -> None:
    state = compiler.compile(GrammarSource("regex", r"(\p{L}{1,200}){1,200}")).begin()
    rng = random.Random(0)

    def go_on() -> None:
        for _ in range(300):
            choices = np.flatnonzero(state.mask(STOPS)[1:-1]) + 1
            state.accept(int(rng.choice(choices)))

    with pytest.raises(EngineError, match=r"cannot be followed any further \(lexer error"):
        go_on()


def test_compiling_at_once_leaves_other_threads_their_stacks() -> None:
    both = threading.Barrier(2)

    def meet(vocabulary: Vocabulary) -> Match:
        match = by_binding(vocabulary)

        def compiled(program: str) -> Matcher:
            both.wait(10)
            return match(program)

        return compiled

    usual = threading.stack_size()
    compilers = [GrammarCompiler(vocabulary, meet) for _ in range(2)]
    source = GrammarSource("regex", "a+")
    with ThreadPoolExecutor(2) as pool:
        for compiled in [pool.submit(one.compile, source) for one in compilers]:
            compiled.result()
    assert threading.stack_size() == usual


def test_a_vocabulary_without_a_way_on_is_told() -> None:
    poor = GrammarCompiler(lambda: Vocabulary((b"", b"a"), lambda _text: []))
    state = poor.compile(GrammarSource("regex", "ab")).begin()
    state.accept(1)
    with pytest.raises(EngineError, match="no token of this model"):
        state.mask(frozenset({0}))


def test_the_last_grammars_are_kept_and_the_vocabulary_is_read_once() -> None:
    loads: list[int] = []

    def load() -> Vocabulary:
        loads.append(1)
        return vocabulary()

    compiler = GrammarCompiler(load)
    assert not loads
    first = compiler.compile(GrammarSource("regex", "first"))
    kept = compiler.compile(GrammarSource("regex", "kept"))
    for idx in range(MAX_CACHED - 1):
        assert compiler.compile(GrammarSource("regex", "kept")) is kept
        compiler.compile(GrammarSource("regex", f"x{idx}"))
    assert compiler.compile(GrammarSource("regex", "kept")) is kept
    assert compiler.compile(GrammarSource("regex", "kept"), "p") is not kept
    assert compiler.compile(GrammarSource("regex", "first")) is not first
    assert len(loads) == 1


def _way(grammar: Grammar, rng: random.Random) -> Iterator[tuple[list[int], bool]]:
    """The masks along a random walk, and whether the grammar ends there."""
    state = grammar.begin()
    for _ in range(60):
        choices = np.flatnonzero(state.mask(STOPS))
        yield choices.tolist(), state.complete
        choices = choices[~np.isin(choices, list(STOPS))]
        if not choices.size:
            return
        state = state.copy()
        state.accept(int(rng.choice(choices.tolist())))


@pytest.mark.parametrize(
    "source",
    [
        *map(GrammarSource.json_schema, SCHEMAS),
        GrammarSource.json_object(),
        GrammarSource("regex", "(yes|no)[.!]?|é{2,4}"),
        GrammarSource("gbnf", 'root ::= "(" root ")" | [a-z]{2,3}'),
    ],
)
def test_both_interfaces_of_the_library_let_the_same_through(source: GrammarSource) -> None:
    ways = [
        [list(_way(GrammarCompiler(vocabulary, way).compile(source, prefix), random.Random(seed)))
         for seed in range(3) for prefix in ("", "né")]
        for way in (by_binding, by_abi)
    ]  # fmt: skip
    assert ways[0] == ways[1]


@pytest.mark.parametrize(("source", "reason"), _REFUSED, ids=range(len(_REFUSED)))
def test_both_interfaces_refuse_in_the_same_words(source: GrammarSource, reason: str) -> None:
    told: list[str] = []
    for way in (by_binding, by_abi):
        with pytest.raises(GrammarError, match=re.escape(reason)) as caught:
            GrammarCompiler(vocabulary, way).compile(source)
        told.append(str(caught.value))
    assert told[0] == told[1]


def test_what_the_library_cannot_take_in_is_refused() -> None:
    c = library()
    assert c is not None
    with pytest.raises(ValueError):  # noqa: PT011  # in words of the library
        AbiTokenizer(c, [b"a"], [], 7)
