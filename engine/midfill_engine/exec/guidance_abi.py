"""llguidance by its C interface, which lets other threads run; called by `constrain`.

The wheel's extension module exports the library's C functions (`llguidance.h`) beside its Python
classes. Called through ctypes they do not hold Python's lock: taking in a vocabulary of 150,000
pieces with `LLTokenizer` stops every thread for 0.7 s, all streams with it (docs/log.md). The
classes here have the names and the behaviour of the Python ones, as far as `constrain` needs them;
a test holds both against each other.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Sequence
from ctypes import POINTER, byref, c_bool, c_char_p, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from functools import lru_cache
from importlib import import_module
from typing import Final, Protocol

import numpy as np

logger = logging.getLogger(__name__)

_SPECIAL: Final = b"\xff"
"""What a piece begins with that no text may become."""
_MAX_ERROR_BYTES: Final = 512


class Matcher(Protocol):
    """The state of one answer in its grammar: `LLMatcher`, or `AbiMatcher`."""

    def compute_bitmask(self) -> bytes:
        """Return a bit per token that may come next, the lowest bit first."""
        ...

    def consume_token(self, token: int, /) -> bool:
        """Advance by a token; False where it may not come."""
        ...

    def is_stopped(self) -> bool:
        """Whether nothing may follow; also after an error."""
        ...

    def is_error(self) -> bool:
        """Whether it failed, for good."""
        ...

    def get_error(self) -> str:
        """Return why; "" if it did not."""
        ...

    def deep_copy(self) -> Matcher:
        """Return the same state, to be advanced apart."""
        ...


class _TokenizerInit(ctypes.Structure):
    """`LlgTokenizerInitV2`: the library reads as many bytes as `struct_size` says."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("vocab_size", c_uint32),
        ("tok_eos", c_uint32),
        ("token_lens", c_void_p),
        ("token_bytes", c_char_p),
        ("tokenizer_json", c_char_p),
        ("tokenize_assumes_string", c_bool),
        ("tokenize_fn", c_void_p),
        ("use_approximate_greedy_tokenize_fn", c_bool),
        ("tokenize_user_data", c_void_p),
        ("slices", c_void_p),
    )


class _Limits(ctypes.Structure):
    """`LlgParserLimits`; 0 stands for the library's default."""

    _fields_ = (
        ("max_items_in_row", c_size_t),
        ("initial_lexer_fuel", c_uint64),
        ("step_lexer_fuel", c_uint64),
        ("step_max_items", c_size_t),
        ("max_lexer_states", c_size_t),
        ("max_grammar_size", c_size_t),
        ("precompute_large_lexemes", c_bool),
        ("verbose_errors", c_bool),
    )


class _MatcherInit(ctypes.Structure):
    """`LlgConstraintInit`."""

    _fields_ = (
        ("tokenizer", c_void_p),
        ("log_buffer_level", c_uint32),
        ("log_stderr_level", c_uint32),
        ("ff_tokens_ok", c_bool),
        ("backtrack_ok", c_bool),
        ("limits", _Limits),
        ("room", c_uint64 * 32),  # for fields of later versions, whose defaults are written too
    )


_SIGNATURES: Final[dict[str, tuple[object, tuple[object, ...]]]] = {
    "llg_new_tokenizer_v2": (c_void_p, (POINTER(_TokenizerInit), c_char_p, c_size_t)),
    "llg_free_tokenizer": (None, (c_void_p,)),
    "llg_constraint_init_set_defaults": (None, (POINTER(_MatcherInit), c_void_p)),
    "llg_new_matcher": (c_void_p, (POINTER(_MatcherInit), c_char_p, c_char_p)),
    "llg_clone_matcher": (c_void_p, (c_void_p,)),
    "llg_free_matcher": (None, (c_void_p,)),
    "llg_matcher_get_mask_byte_size": (c_size_t, (c_void_p,)),
    "llg_matcher_compute_mask_into": (c_int32, (c_void_p, c_void_p, c_size_t)),
    "llg_matcher_consume_token": (c_int32, (c_void_p, c_uint32)),
    "llg_matcher_is_stopped": (c_bool, (c_void_p,)),
    "llg_matcher_is_error": (c_bool, (c_void_p,)),
    "llg_matcher_get_error": (c_char_p, (c_void_p,)),
}


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """Return the C interface, None where the wheel of this system does not export it."""
    try:
        found = ctypes.CDLL(str(import_module("llguidance._lib").__file__))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(found, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        logger.warning(
            "llguidance has no C interface here (%s): the first grammar of a model with a large "
            "vocabulary holds up other requests for up to a second",
            error,
        )
        return None
    return found


class AbiTokenizer:
    """A vocabulary as the library keeps it: `LLTokenizer` without the texts' tokens."""

    def __init__(
        self, c: ctypes.CDLL, tokens: Sequence[bytes], special_ids: Sequence[int], end_id: int
    ) -> None:
        """Take a vocabulary in; other threads run meanwhile.

        Args:
            c: the C interface.
            tokens: the bytes of every token.
            special_ids: of those that no text becomes; their bytes are only a name.
            end_id: the token that stands for the answer's end.

        Raises:
            ValueError: the library refuses it.
        """
        self.c = c
        pieces = list(tokens)
        for token_id in special_ids:
            pieces[token_id] = _SPECIAL + pieces[token_id]
        lens = np.fromiter(map(len, pieces), dtype=np.uint32, count=len(pieces))
        error = ctypes.create_string_buffer(_MAX_ERROR_BYTES)
        init = _TokenizerInit(
            struct_size=ctypes.sizeof(_TokenizerInit),
            vocab_size=len(pieces),
            tok_eos=end_id,
            token_lens=lens.ctypes.data,
            token_bytes=b"".join(pieces),
            use_approximate_greedy_tokenize_fn=True,  # grammars here force no tokens
        )
        self.pointer: int | None = c.llg_new_tokenizer_v2(byref(init), error, _MAX_ERROR_BYTES)
        if not self.pointer:
            raise ValueError(error.value.decode("utf-8", "replace"))

    def match(self, program: str) -> AbiMatcher:
        """Compile a grammar in llguidance's own form; see `is_error` of what comes."""
        init = _MatcherInit()
        self.c.llg_constraint_init_set_defaults(byref(init), self.pointer)
        init.log_buffer_level = init.log_stderr_level = 0
        init.limits.verbose_errors = False
        source = program.encode()
        return AbiMatcher(self, self.c.llg_new_matcher(byref(init), b"llguidance", source))

    def __del__(self) -> None:
        """Free it; every matcher keeps its tokenizer, so none is left."""
        if getattr(self, "pointer", None):
            self.c.llg_free_tokenizer(self.pointer)


class AbiMatcher:
    """`LLMatcher` by the C interface; one thread at a time calls."""

    def __init__(self, tokenizer: AbiTokenizer, pointer: int) -> None:
        """Own the library's matcher."""
        self._tokenizer = tokenizer  # freed after this
        self._c = tokenizer.c
        self._pointer = pointer
        self._mask_bytes: int = self._c.llg_matcher_get_mask_byte_size(pointer)

    def compute_bitmask(self) -> bytes:
        """Return a bit per token that may come next; none after an error."""
        mask = ctypes.create_string_buffer(self._mask_bytes)
        self._c.llg_matcher_compute_mask_into(self._pointer, mask, self._mask_bytes)
        return mask.raw

    def consume_token(self, token: int) -> bool:
        """Advance by a token; False where it may not come."""
        return bool(self._c.llg_matcher_consume_token(self._pointer, token) == 0)

    def is_stopped(self) -> bool:
        """Whether nothing may follow; also after an error."""
        return bool(self._c.llg_matcher_is_stopped(self._pointer))

    def is_error(self) -> bool:
        """Whether it failed, for good."""
        return bool(self._c.llg_matcher_is_error(self._pointer))

    def get_error(self) -> str:
        """Return why; "" if it did not."""
        told: bytes | None = self._c.llg_matcher_get_error(self._pointer)
        return (told or b"").decode("utf-8", "replace")

    def deep_copy(self) -> AbiMatcher:
        """Return the same state, to be advanced apart."""
        return AbiMatcher(self._tokenizer, self._c.llg_clone_matcher(self._pointer))

    def __del__(self) -> None:
        """Free it."""
        self._c.llg_free_matcher(self._pointer)
