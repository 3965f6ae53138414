"""The half of a vocabulary that a watermark (arXiv:2301.10226) favours. Called by `rescore`.

TGI and transformers take it from torch's shuffle on the CPU, `randperm` with a seeded generator.
Here it is made without torch, and is the same half, so that their detectors find the watermark.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_HASH_KEY = 15485863
"""TGI's and transformers' constant."""


def green_half(before: int, vocab_size: int) -> npt.NDArray[np.bool_]:
    """Returns which tokens are favoured behind the token `before`, [V].

    torch's shuffle goes over the places [0, V) and swaps the token of each with that of a drawn
    place, [place, V). Those that end in the first half are favoured, and the swaps of the places
    behind it leave it alone: only its own are drawn, from torch's generator (MT19937, seeded with
    32 bits).
    """
    half = vocab_size // 2
    state = np.random.RandomState(_HASH_KEY * before % 2**32)
    drawn = state.randint(0, 2**32, half, np.uint32)
    places = np.arange(half)
    partners = places + drawn % (vocab_size - places)
    swapped = partners != places
    # What a place holds came with the last swap that drew it, from an earlier place, and had come
    # there the same way: every way back is followed at once, in steps that double.
    last = np.full(vocab_size, -1)
    np.maximum.at(last, partners[swapped], places[swapped])
    origins = np.where(last < 0, np.arange(vocab_size), last)
    while not np.array_equal(farther := origins[origins], origins):
        origins = farther
    green = np.ones(vocab_size, np.bool_)
    green[origins[half:]] = False
    return green
