"""A model's vocabulary as grammars see it. Called by `served` when the first grammar comes."""

from __future__ import annotations

from midfill_engine.errors import GrammarError
from midfill_engine.exec.constrain import Vocabulary
from midfill_engine.text.tokenizer import Tokenizer


def grammar_vocabulary(tokenizer: Tokenizer, vocab_size: int) -> Vocabulary:
    """The tokens with ids below `vocab_size` as bytes.

    Raises:
        GrammarError: the tokenizer's tokens are no bytes, one by one.
    """
    if tokenizer.kind == "other":
        raise GrammarError("this model's tokenizer cannot be constrained: its tokens are no bytes")
    pieces = [tokenizer.token_bytes(token_id) for token_id in range(vocab_size)]
    return Vocabulary(pieces, lambda text: tokenizer.encode(text, bos=False, leading_space=False))
