"""Constrained decoding: which tokens may come next so that the answer obeys a grammar.

llguidance parses (an Earley parser over a lexer of regex derivatives, which walks the vocabulary's
trie); this module gives it a vocabulary, the sources of grammars, bounds, and errors in one line.
A grammar is compiled once on any thread and never changes afterwards; every sequence advances a
`Constraint` of its own on the engine thread. Knows no tokenizer and no requests: `serve` compiles,
`runtime` advances.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

from midfill_engine.errors import EngineError, GrammarError
from midfill_engine.exec.grammar_source import MAX_SOURCE_CHARS, GrammarSource, one_line
from midfill_engine.exec.guidance_abi import AbiTokenizer, Matcher, library
from midfill_engine.exec.work import Mask

MAX_CACHED = 64
"""Compiled grammars that are kept, the last used ones."""
_STACK_BYTES = 64 << 20
"""Of the thread that compiles: the library recurses, and a thread's usual stack, 8 MB on Linux and
less elsewhere, is gone at a few thousand rules, which ends the process. A 64 KB grammar fits."""
_STACK_SIZE = threading.Lock()  # the process has one for all threads to come


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens that a grammar is written in.

    Attributes:
        pieces: the bytes of every token by id; empty for those that are no text.
        token_ids: the ids of a text; llguidance asks for it where it tokenises by itself.
    """

    pieces: Sequence[bytes]
    token_ids: Callable[[str], list[int]]


Match: TypeAlias = Callable[[str], Matcher]
"""Compiles a grammar in llguidance's own form."""
TakeIn: TypeAlias = Callable[[Vocabulary], Match]
_Key: TypeAlias = tuple[GrammarSource, str]


@dataclass(frozen=True, slots=True, eq=False)
class Grammar:
    """A compiled grammar; shared by all requests that ask for it.

    Attributes:
        prefix_len: bytes of the text to be repeated before it, see `GrammarCompiler.compile`.
    """

    prefix_len: int
    _start: Matcher = field(repr=False)
    _end_id: int = field(repr=False)

    def begin(self) -> Constraint:
        """The state before the first token."""
        return Constraint(self._start.deep_copy(), self._end_id)


class Constraint:
    """How far one answer has come in its grammar; one thread calls."""

    def __init__(self, matcher: Matcher, end_id: int) -> None:
        """Use `Grammar.begin`."""
        self._matcher = matcher
        self._end_id = end_id

    @property
    def complete(self) -> bool:
        """Whether the grammar is satisfied and nothing may follow."""
        return self._matcher.is_stopped() and not self._matcher.is_error()

    def copy(self) -> Constraint:
        """The same state, to be advanced apart: along drafts."""
        return Constraint(self._matcher.deep_copy(), self._end_id)

    def mask(self, stop_ids: frozenset[int]) -> Mask:
        """Which tokens may come next; those of `stop_ids` only where the grammar is satisfied.

        Raises:
            EngineError: the library's bounds are exceeded, or no token goes on.
        """
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        if self._matcher.is_error():
            raise self._stuck()
        unpacked = np.unpackbits(bits, bitorder="little", count=self._end_id + 1)
        mask: Mask = unpacked[: self._end_id].view(np.bool_)
        mask[[token_id for token_id in stop_ids if token_id < self._end_id]] = unpacked[
            self._end_id
        ]
        return mask

    def accept(self, token_id: int) -> None:
        """Advance by a token of the mask that ends nothing."""
        if not self._matcher.consume_token(token_id):
            raise self._stuck()

    def _stuck(self) -> EngineError:
        if "NoExtensionBias" in self._matcher.get_error():
            return EngineError("no token of this model goes on as the grammar demands")
        reason = one_line(self._matcher.get_error())
        return EngineError(f"the grammar cannot be followed any further ({reason}): simplify it")


class GrammarCompiler:
    """Compiles for one vocabulary and remembers the last grammars; any thread calls."""

    def __init__(
        self, load_vocabulary: Callable[[], Vocabulary], take_in: TakeIn | None = None
    ) -> None:
        """Nothing is loaded before the first grammar.

        Args:
            load_vocabulary: called once.
            take_in: how the library takes a vocabulary in; the fastest way there is by default.
        """
        self._load_vocabulary = load_vocabulary
        self._take_in = take_in or quickest_way()
        self._compiling = threading.Lock()  # one at a time; guards the next two
        self._match: Match | None = None
        self._end_id = 0
        self._lock = threading.Lock()  # guards what is kept, never held for long
        self._compiled: OrderedDict[_Key, Grammar] = OrderedDict()

    def compile(self, source: GrammarSource, prefix: str = "") -> Grammar:
        """The grammar of a source; over a second at worst, and the first takes in the vocabulary.

        Args:
            source: what the answer has to obey.
            prefix: text that the answer repeats first (token healing).

        Raises:
            GrammarError: it is too large, or the library refuses it; in one line.
        """
        if len(source.text) > MAX_SOURCE_CHARS:
            told = f"{len(source.text)} characters, and at most {MAX_SOURCE_CHARS} are read"
            raise GrammarError(f"it has {told}: make it smaller")
        key = (source, prefix)
        found = self._kept(key)
        if found is None:
            with self._compiling:
                found = self._kept(key)  # another may have asked for it meanwhile
                if found is None:
                    found = self._compile(source, prefix)
                    self._keep(key, found)
        return found

    def _kept(self, key: _Key) -> Grammar | None:
        with self._lock:
            if key in self._compiled:
                self._compiled.move_to_end(key)
            return self._compiled.get(key)

    def _keep(self, key: _Key, grammar: Grammar) -> None:
        with self._lock:
            self._compiled[key] = grammar
            if len(self._compiled) > MAX_CACHED:
                self._compiled.popitem(last=False)

    def _compile(self, source: GrammarSource, prefix: str) -> Grammar:
        text = source.program(prefix)
        if self._match is None:
            vocabulary = self._load_vocabulary()
            self._end_id = len(vocabulary.pieces)
            self._match = self._take_in(vocabulary)
        matcher = _on_deep_stack(functools.partial(self._match, text))
        if matcher.is_error():
            raise GrammarError(one_line(matcher.get_error()))
        grammar = Grammar(len(prefix.encode()), matcher, self._end_id)
        try:
            begins = grammar.begin().mask(frozenset()).any()
        except EngineError as error:
            raise GrammarError(str(error)) from None
        if not begins:
            raise GrammarError("only an empty answer would obey it")
        return grammar


def _on_deep_stack(call: Callable[[], Matcher]) -> Matcher:
    """Return what a call returns that recurses deeply."""
    with ThreadPoolExecutor(1, "midfill-grammar") as pool:
        with _STACK_SIZE:
            usual = threading.stack_size(_STACK_BYTES)
            try:
                compiled = pool.submit(call)  # starts the thread
            finally:
                threading.stack_size(usual)
        return compiled.result()


def by_binding(vocabulary: Vocabulary) -> Match:
    """Take a vocabulary in by the library's Python classes, which stop all other threads."""
    tokenizer = LLTokenizer(TokenizerWrapper(_Pieces(vocabulary)))
    limits = LLParserLimits(verbose_errors=False)
    return lambda program: LLMatcher(tokenizer, program, log_level=0, limits=limits)


def by_abi(vocabulary: Vocabulary) -> Match:
    """Take a vocabulary in by the library's C interface, while other threads run."""
    c = library()
    assert c is not None, "checked by quickest_way"
    pieces = _Pieces(vocabulary)
    tokenizer = AbiTokenizer(c, pieces.tokens, pieces.special_token_ids, pieces.eos_token_id)
    return tokenizer.match


def quickest_way() -> TakeIn:
    """Return the way that suits this system."""
    return by_binding if library() is None else by_abi


class _Pieces:
    """A vocabulary in the shape that `TokenizerWrapper` reads.

    The library's own end token gets an id behind all others: which tokens end an answer differs
    from request to request, see `Constraint.mask`.
    """

    bos_token_id = None

    def __init__(self, vocabulary: Vocabulary) -> None:
        end_id = len(vocabulary.pieces)
        control = [token_id for token_id, piece in enumerate(vocabulary.pieces) if not piece]
        self.tokens = [
            piece or b"<%d>" % token_id for token_id, piece in enumerate(vocabulary.pieces)
        ] + [b"<end>"]
        self.special_token_ids = [*control, end_id]
        self.eos_token_id = end_id
        self._token_ids = vocabulary.token_ids

    def __call__(self, text: str) -> list[int]:
        return self._token_ids(text)
