"""Choosing along a draft: the same tokens as one at a time, and the target's own distribution."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
import torch

from midfill_engine.exec.sampling import sample
from midfill_engine.exec.sampling_params import SampledToken, SamplingParams
from midfill_engine.exec.verify import choose
from midfill_engine.exec.work import Mask, Work

VOCAB_SIZE = 6
NUM_SEEDS = 6000
TOP_N = 3
CHI_SQUARE_LIMIT = 66.6
"""Of 35 degrees of freedom, exceeded once in a thousand; the seeds are fixed, so never here."""


def logits_after(tokens: Sequence[int]) -> torch.Tensor:
    """A model of its last two tokens."""
    seed = sum((token + 1) * (VOCAB_SIZE + 1) ** idx for idx, token in enumerate(tokens[-2:]))
    noise = np.random.default_rng(seed).normal(size=VOCAB_SIZE) * 1.5
    return torch.tensor(noise, dtype=torch.float32)


def one_at_a_time(
    prompt: Sequence[int],
    count: int,
    params: SamplingParams,
    allowed: Sequence[Mask | None] = (),
) -> list[SampledToken]:
    found: list[SampledToken] = []
    for idx in range(count):
        generated = [token.token_id for token in found]
        text = [*prompt, *generated]
        may = allowed[idx] if allowed else None
        row = logits_after(text)
        found.append(sample(row, params, prompt, generated, len(text), may, TOP_N))
    return found


def with_drafts(
    prompt: Sequence[int],
    count: int,
    params: SamplingParams,
    rng: random.Random,
    allowed: Sequence[Mask | None] = (),
) -> list[SampledToken]:
    """As many tokens in steps that verify random drafts of up to four."""
    found: list[SampledToken] = []
    while len(found) < count:
        generated = [token.token_id for token in found]
        text = [*prompt, *generated]
        num_drafts = rng.randrange(min(5, count - len(found)))
        drafts = [rng.randrange(VOCAB_SIZE) for _ in range(num_drafts)]
        rows = [logits_after([*text, *drafts[:idx]]) for idx in range(1 + num_drafts)]
        work = Work(
            slot=0,
            token_ids=[text[-1], *drafts],
            start=len(text) - 1,
            num_drafts=num_drafts,
            sampling=params,
            prompt_ids=prompt,
            generated_ids=generated,
            allowed=allowed[len(found) : len(found) + 1 + num_drafts],
            top_n=TOP_N,
        )
        found += choose(torch.stack(rows), work)
    return found


@pytest.mark.parametrize("greedy", [True, False])
def test_drafts_change_nothing(greedy: bool) -> None:
    """Two thousand requests in all, with everything that changes a choice, random drafts.

    Tokens, log-probabilities and the likeliest at every place are compared.
    """
    rng = random.Random(int(greedy))
    ids = np.arange(VOCAB_SIZE)
    masks = (None, np.isin(ids, [1, 4]), np.isin(ids, [5, 0, 2]))
    for seed in range(1100):
        params = SamplingParams(
            temperature=0.0 if greedy else rng.choice((0.5, 1.0, 2.0)),
            top_k=rng.choice((None, 3)),
            top_p=rng.choice((None, 0.8)),
            repetition_penalty=rng.choice((1.0, 1.4)),
            frequency_penalty=rng.choice((0.0, 0.5)),
            presence_penalty=rng.choice((0.0, 0.5)),
            logit_bias=rng.choice(((), ((1, 1.5), (4, -2.0)))),
            typical_p=rng.choice((None, 0.7)),
            min_p=rng.choice((None, 0.1)),
            watermark=rng.random() < 0.2,
            seed=seed,
        )
        prompt = [rng.randrange(VOCAB_SIZE) for _ in range(rng.randrange(1, 5))]
        allowed: list[Mask | None] = []
        if rng.random() < 0.3:
            allowed = [rng.choice(masks) for _ in range(8)]
        expected = one_at_a_time(prompt, 8, params, allowed)
        assert with_drafts(prompt, 8, params, rng, allowed) == expected


def test_a_draft_stands_up_to_the_first_difference() -> None:
    prompt, params = [1, 2], SamplingParams()
    right = [token.token_id for token in one_at_a_time(prompt, 4, params)]
    for wrong_at in range(4):
        drafts = right[:3]
        if wrong_at < 3:
            drafts[wrong_at] = (right[wrong_at] + 1) % VOCAB_SIZE
        rows = [logits_after([*prompt, *drafts[:idx]]) for idx in range(4)]
        work = Work(0, [2, *drafts], 1, 3, params, prompt)
        chosen = [token.token_id for token in choose(torch.stack(rows), work)]
        assert chosen == right[: wrong_at + 1]


def test_scored_tokens_come_before_the_chosen() -> None:
    """A prompt's end, with the drafts behind it: the scores are those of the places before."""
    prompt, params = [3, 1, 4, 1], SamplingParams(temperature=1.0, seed=2)
    drafts = [token.token_id for token in one_at_a_time(prompt, 2, params)]
    text = [*prompt, *drafts]
    rows = torch.stack([logits_after(text[: idx + 1]) for idx in range(len(text))])
    work = Work(0, text, 0, 2, params, prompt, scored_ids=prompt[1:], top_n=TOP_N)
    assert work.num_logits == len(text)
    tokens = choose(rows, work)
    assert [token.token_id for token in tokens[:3]] == prompt[1:]
    assert tokens[3:] == one_at_a_time(prompt, 3, params)
    for idx, token in enumerate(tokens[:3]):
        expected = torch.log_softmax(rows[idx].double(), -1)
        assert token.logprob == pytest.approx(float(expected[token.token_id]), abs=1e-6)
    unchosen = Work(0, prompt, 0, scored_ids=prompt[1:], top_n=TOP_N)
    assert choose(rows[:4], unchosen) == tokens[:3]


def test_the_distribution_is_the_targets() -> None:
    """Chi-square of pairs of tokens over seeds, each pair drawn with a draft that often stands."""
    prompt = [3]
    first = torch.softmax(logits_after(prompt).double(), -1).numpy()
    expected: npt.NDArray[np.float64] = np.stack(
        [
            first[token] * torch.softmax(logits_after([*prompt, token]).double(), -1).numpy()
            for token in range(VOCAB_SIZE)
        ]
    )
    counts: Counter[tuple[int, int]] = Counter()
    rng = random.Random(4)
    num_accepted = 0
    for seed in range(NUM_SEEDS):
        params = SamplingParams(temperature=1.0, seed=seed)
        draft = rng.choices(range(VOCAB_SIZE), first.tolist())[0]
        rows = torch.stack([logits_after(prompt), logits_after([*prompt, draft])])
        chosen = [t.token_id for t in choose(rows, Work(0, [3, draft], 0, 1, params, prompt))]
        num_accepted += len(chosen) == 2
        if len(chosen) == 1:
            text = [*prompt, *chosen]
            rows = logits_after(text)[None]
            work = Work(0, chosen, 1, 0, params, prompt, chosen)
            chosen += [t.token_id for t in choose(rows, work)]
            assert len(text) == 2
        counts[chosen[0], chosen[1]] += 1
    seen = np.zeros_like(expected)
    for (one, two), count in counts.items():
        seen[one, two] = count
    assert NUM_SEEDS / 10 < num_accepted < NUM_SEEDS
    assert float(((seen - expected * NUM_SEEDS) ** 2 / (expected * NUM_SEEDS)).sum()) < (
        CHI_SQUARE_LIMIT
    )
