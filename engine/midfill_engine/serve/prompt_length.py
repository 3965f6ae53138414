"""Prompts that are surely longer than the context, refused before their tokens are made.

A text's tokens take hundreds of times its memory, and seconds where it is of megabytes. Called by
the dialects.
"""

from __future__ import annotations

from midfill_engine.serve.parse import invalid
from midfill_engine.serve.served import Served


def check_length(name: str, num_chars: int, served: Served) -> None:
    """Refuses a field whose text of `num_chars` characters can't fit, whatever it says.

    Raises:
        ValidationError: it can't.
    """
    least, total = served.tokenizer.least_tokens(num_chars), served.max_total_tokens
    if least >= total:
        raise invalid(f"`{name}` must have less than {total} tokens. Given: at least {least}")
