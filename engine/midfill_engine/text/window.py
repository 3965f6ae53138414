"""The part of a document around the cursor that fits, cut so that typing leaves the cut in place.

Pure but for the tokenizer it is given; called by `fim`. The text before the cursor grows while
somebody types, so its cut is a function that only moves in large steps:

    [0 ........ k * step) [k * step ......................... complete chunks) [rest) cursor
     cut away              measured in tokens, at most the budget               reserved

The measured part changes only when a whole chunk is complete, and the rest is accounted for by a
constant, so that the cut can't go back and forth while tokens merge at the cursor.
"""

from __future__ import annotations

from midfill_engine.text.tokenizer import Tokenizer

_CHARS_PER_TOKEN = 4
"""Longer texts are cut by length before they are tokenised: the bundled model has 2.9 on Python's
argparse.py, and a bound far above it costs a tokenisation for every step that still is too long."""


_RESERVED_STEP = 256
"""Over both lengths that the language server asks for, 48 and 160 tokens."""


def prompt_budget(total_tokens: int, reserved_tokens: int) -> int:
    """Tokens of a prompt that leaves at least `reserved_tokens` of the context for the answer.

    At least half of the context, in large steps: a line and a block, which an editor asks for in
    turns, then have the same windows, and so has a prompt that is only read ahead, for no answer.
    `reserved_tokens` is at most half of the context.
    """
    half = total_tokens // 2
    step = max(_RESERVED_STEP, total_tokens // 8)
    num_steps = max(1, -(-reserved_tokens // step))
    return total_tokens - max(reserved_tokens, min(num_steps * step, half))


def prefix_start(tokenizer: Tokenizer, text: str, budget_tokens: int) -> int:
    """Offset at which the prefix begins so that at most `budget_tokens` tokens follow.

    Returns 0 while all of it fits. The offset is that of a line's start where one is near.
    """
    if len(text.encode("utf-8")) + 1 <= budget_tokens:
        return 0
    chunk_chars = max(8, min(128, budget_tokens // 16))
    step_chars = max(chunk_chars, budget_tokens // 2)
    settled_end = len(text) // chunk_chars * chunk_chars
    over = settled_end - budget_tokens * _CHARS_PER_TOKEN
    step_idx = max(0, -(-over // step_chars))
    while True:
        start = _line_start(text, step_idx * step_chars, step_chars // 2)
        settled = tokenizer.encode(text[start:settled_end], bos=False, leading_space=False)
        if start >= settled_end or len(settled) + chunk_chars <= budget_tokens:
            return min(start, len(text))
        step_idx += 1


def suffix_ids(tokenizer: Tokenizer, text: str, limit_tokens: int) -> tuple[list[int], bool]:
    """The beginning of the suffix as at most `limit_tokens` ids, and whether anything was cut."""
    chars = max(0, limit_tokens) * _CHARS_PER_TOKEN
    ids = tokenizer.encode(text[:chars], bos=False, leading_space=False)
    cut = len(text) > chars or len(ids) > limit_tokens
    return ids[: max(0, limit_tokens)], cut


def _line_start(text: str, offset: int, reach: int) -> int:
    """The first line start in [offset, offset + reach], else `offset`; 0 stays 0."""
    if offset == 0:
        return 0
    newline = text.find("\n", offset - 1, offset + reach)
    return offset if newline < 0 else newline + 1
