"""The favoured half is torch's, bit for bit, without torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from midfill_engine.exec.watermark import green_half


def torch_half(before: int, vocab_size: int) -> list[int]:
    """As TGI and transformers find it."""
    generator = torch.Generator()
    generator.manual_seed(15485863 * before)
    shuffled = torch.randperm(vocab_size, generator=generator)
    return sorted(map(int, shuffled[: int(vocab_size * 0.5)].numpy()))


def test_small_vocabularies() -> None:
    for vocab_size in range(1, 80):
        for before in range(40):
            green = np.flatnonzero(green_half(before, vocab_size))
            assert green.tolist() == torch_half(before, vocab_size), (before, vocab_size)


@pytest.mark.parametrize("vocab_size", [512, 32_016, 49_152, 151_936, 151_937, 256_000])
def test_vocabularies_of_models(vocab_size: int) -> None:
    """277 and 278 lie at the seed's 32nd bit."""
    drawn = np.random.default_rng(vocab_size).integers(0, vocab_size, 20).tolist()
    for before in (0, 1, 277, 278, vocab_size - 1, *drawn):
        green = np.flatnonzero(green_half(before, vocab_size))
        assert green.tolist() == torch_half(before, vocab_size), before
