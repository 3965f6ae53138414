"""How long an infill prompt is where nobody says: on a CPU, what does not keep a typist waiting.

After a jump in a file nothing of the prompt is in the cache, and whoever types waits for all of it.
Called by `serve.load`.
"""

from __future__ import annotations

from midfill_engine.exec.threads import num_threads

PRODUCTS_PER_THREAD = 40e9
"""Weights times tokens: on AVX2 half a second's work of one thread (docs/log.md, 2026-11-28)."""
LEAST_TOKENS = 512
"""Of any model, however long they take: what fewer would cost in quality was measured for the
bundled one alone."""


def infill_tokens(device: str, num_parameters: int) -> int | None:
    """Returns the tokens of an infill prompt, a power of two; None bounds it by the context alone.

    It hangs on the model's size and the CPU's threads, not on a measurement, so that one machine
    gives one model the same prompts at every start.
    """
    if device != "cpu":
        return None
    tokens = int(PRODUCTS_PER_THREAD * num_threads() / max(1, num_parameters))
    return max(LEAST_TOKENS, 1 << max(0, tokens.bit_length() - 1))
