"""The decoder against transformers' own models, on random tiny weights in float32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from midfill_engine.model.decoder import Decoder
from midfill_engine.model.kv_cache import KVCache
from tests.engine.model.conftest import CPU, Pair, load_decoder, random_ids
from tests.engine.tiny import KINDS, write_tiny_model

TOLERANCE = 2e-4  # logits reach 10; float32 sums of three layers differ by up to 1e-4 (yarn)


def greedy(
    decoder: Decoder, cache: KVCache, prompt: torch.Tensor, start: int, count: int
) -> list[int]:
    """Continue `prompt` by `count` tokens; positions [0, start) are in slot 0 already."""
    logits = decoder.forward(prompt[start:], start, cache, 0, 1)
    tokens = [int(logits[0].argmax())]
    for position in range(len(prompt), len(prompt) + count - 1):
        logits = decoder.forward(torch.tensor(tokens[-1:]), position, cache, 0, 1)
        tokens.append(int(logits[0].argmax()))
    return tokens


@pytest.mark.parametrize("kind", KINDS)
class TestAgainstTransformers:
    @pytest.mark.parametrize("chunk_len", [70, 7, 1])
    def test_logits(self, pair: Callable[[str], Pair], kind: str, chunk_len: int) -> None:
        models, ids = pair(kind), random_ids(70)
        cache = models.cache()
        chunks = [
            models.decoder.forward(ids[at : at + chunk_len], at, cache, 1, chunk_len)
            for at in range(0, 70, chunk_len)
        ]
        expected = models.reference_logits(ids)
        torch.testing.assert_close(torch.cat(chunks), expected, atol=TOLERANCE, rtol=0)

    def test_greedy_tokens(self, pair: Callable[[str], Pair], kind: str) -> None:
        models, ids = pair(kind), random_ids(20, seed=1)
        expected = models.reference.generate(
            ids[None],
            attention_mask=torch.ones_like(ids)[None],
            max_new_tokens=24,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )[0, 20:]
        assert greedy(models.decoder, models.cache(), ids, 0, 24) == expected.tolist()

    def test_reused_prefix_gives_the_same_tokens(
        self, pair: Callable[[str], Pair], kind: str
    ) -> None:
        models, ids = pair(kind), random_ids(40, seed=2)
        cache = models.cache()
        expected = greedy(models.decoder, models.cache(), ids, 0, 12)
        other = random_ids(60, seed=3)
        other[:33] = ids[:33]
        models.decoder.forward(other, 0, cache, 0, 0)  # what stands behind 33 is stale
        assert greedy(models.decoder, cache, ids, 33, 12) == expected


@pytest.mark.parametrize("kind", ["mistral-window", "qwen2"])
def test_sliding_window_hides_what_lies_before_it(pair: Callable[[str], Pair], kind: str) -> None:
    """Both window kinds forget; without it the layers would still see the first tokens."""
    decoder = pair(kind).decoder
    windows = [window for window in decoder.spec.windows if window is not None]
    assert windows
    assert set(windows) == {8}
    ids = random_ids(60)
    expected = pair(kind).reference_logits(ids)[-1]
    found = decoder.forward(ids, 0, pair(kind).cache(), 0, 1)[0]
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


def test_num_logits_and_copied_prefix(pair: Callable[[str], Pair]) -> None:
    models, ids = pair("llama-gqa"), random_ids(30)
    cache = models.cache(max_len=40)
    assert models.decoder.forward(ids[:20], 0, cache, 0, 0).shape == (0, 512)
    cache.copy_prefix(0, 2, 20)
    found = models.decoder.forward(ids[20:], 20, cache, 2, 3)
    expected = models.reference_logits(ids)[-3:]
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)
    with pytest.raises(AssertionError, match="positions up to 50 in a cache of 40"):
        models.decoder.forward(ids, 20, cache, 2, 1)


@pytest.mark.parametrize("kind", ["llama", "mixtral", "tied"])
def test_bfloat16_stays_near_float32(
    tmp_path: Path, pair: Callable[[str], Pair], kind: str
) -> None:
    decoder = load_decoder(write_tiny_model(tmp_path, kind), torch.bfloat16)
    ids = random_ids(24)
    cache = KVCache(decoder.spec, 1, 32, torch.bfloat16, CPU)
    whole = decoder.forward(ids[:23], 0, cache, 0, 1)
    found = torch.cat((whole, decoder.forward(ids[23:], 23, cache, 0, 1)))
    expected = pair(kind).reference_logits(ids)[-2:]
    assert found.dtype == torch.float32
    # Half-precision noise on logits of about 5; a wrong layout is off by whole units everywhere.
    assert torch.nn.functional.cosine_similarity(found, expected).min() > 0.99


@pytest.mark.parametrize("kind", ["llama-gqa", "mixtral"])
def test_shards_hold_the_same_model(tmp_path: Path, pair: Callable[[str], Pair], kind: str) -> None:
    folder = write_tiny_model(tmp_path, kind, shards=3)
    assert len(list(folder.glob("model-*.safetensors"))) >= 3
    decoder = load_decoder(folder)
    ids = random_ids(16)
    found = decoder.forward(ids, 0, pair(kind).cache(), 0, 1)
    expected = pair(kind).decoder.forward(ids, 0, pair(kind).cache(), 0, 1)
    assert torch.equal(found, expected)
