"""What is told beside a choice: the likeliest tokens, and the prompt's own log-probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from midfill_engine.exec.logprobs import likeliest, score
from midfill_engine.exec.sampling import sample
from midfill_engine.exec.sampling_params import SamplingParams
from tests.engine.exec.test_sampling import random_logits, reference_logprobs


@pytest.mark.parametrize("top_n", [1, 2, 5, 300, 1000])
@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(),
        SamplingParams(repetition_penalty=1.5),
        SamplingParams(temperature=0.7),
        SamplingParams(temperature=1.2, top_k=4),
        SamplingParams(temperature=1.0, top_p=0.6, typical_p=0.9),
    ],
)
def test_the_likeliest_of_the_warped_distribution(params: SamplingParams, top_n: int) -> None:
    """As TGI: what is ruled out is not told, so there may be fewer."""
    logits, prompt = random_logits(8), [4, 4, 9]
    plain = SamplingParams(temperature=1.0, repetition_penalty=params.repetition_penalty)
    expected = reference_logprobs(logits, plain if params.greedy else params, prompt)
    ranked = [int(at) for at in expected.argsort(descending=True) if expected[at] > -math.inf]
    token = sample(logits, params, prompt, [], 3, top_n=top_n)
    assert [other.token_id for other in token.top] == ranked[:top_n]
    for other in token.top:
        assert other.logprob == pytest.approx(float(expected[other.token_id]), abs=1e-4)
    told = {other.token_id: other.logprob for other in token.top}
    assert told.get(token.token_id, token.logprob) == token.logprob
    bare = sample(logits, params, prompt, [], 3)
    assert (bare.token_id, bare.top) == (token.token_id, ())
    assert bare.logprob == pytest.approx(token.logprob, abs=1e-5)


def test_equals_at_the_bound_come_along() -> None:
    logprobs = np.log(np.array([0.1, 0.2, 0.3, 0.2, 0.2]))
    assert [token.token_id for token in likeliest(logprobs, 2)] == [2, 1, 3, 4]
    ids = np.array([10, 20, 30, 40, 50])
    assert [token.token_id for token in likeliest(logprobs, 1, ids)] == [30]
    assert likeliest(logprobs, 0) == ()


def test_only_the_allowed_are_told() -> None:
    for params in (SamplingParams(), SamplingParams(temperature=1.0)):
        mask = np.isin(np.arange(300), [5, 6, 7])
        token = sample(random_logits(2), params, [], [], 0, mask, top_n=5)
        assert {other.token_id for other in token.top} == {5, 6, 7}
        assert sum(math.exp(other.logprob) for other in token.top) == pytest.approx(1.0)


def test_scores_are_log_softmax() -> None:
    logits = torch.stack([random_logits(seed) for seed in range(6)])
    token_ids = [3, 299, 0, 17, 17, 250]
    expected = torch.log_softmax(logits.double(), -1)
    for idx, token in enumerate(score(logits, token_ids, 3)):
        assert token.token_id == token_ids[idx]
        assert token.logprob == pytest.approx(float(expected[idx, token.token_id]), abs=1e-6)
        best = expected[idx].topk(3)
        assert [other.token_id for other in token.top] == [int(one) for one in best.indices]
        likeliest = [float(one) for one in best.values]
        assert [other.logprob for other in token.top] == pytest.approx(likeliest)
