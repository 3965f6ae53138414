"""The batched forward against one sequence after another, through captured steps."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import pytest
import torch

from midfill_engine.errors import EngineError
from midfill_engine.exec.gpu_check import failure
from midfill_engine.exec.gpu_choice import Parts, plain_parts
from midfill_engine.exec.runner import Runner
from midfill_engine.exec.sampling_params import SampledToken, SamplingParams
from midfill_engine.exec.work import Work
from midfill_engine.kernels.gpu_interface import Groups, Pages
from midfill_engine.kernels.gpu_plain import PlainAttention, PlainOperations
from tests.engine.gpu.models import GpuModel, gpu_model, reference_runner, triton_parts
from tests.engine.tiny import KINDS, VOCAB_SIZE

PROMPT = [1, 40, 41, 300, 310, 77, 78, 79, 200, 201, 202, *range(400, 412)]
NUM_SEQUENCES = 12
NUM_TOKENS = 6
DENSE = tuple(kind for kind in KINDS if kind != "mixtral")
SAMPLINGS = (
    SamplingParams(),
    SamplingParams(temperature=0.9, seed=3),
    SamplingParams(temperature=0.9, seed=3, top_k=20, top_p=0.9),
    SamplingParams(repetition_penalty=1.3),
)
Loses: TypeAlias = Callable[[int, int, int], bool]
"""Whether a group's rows are lost: its index, its rows, the position behind them."""
LOSSES: Mapping[str, Loses] = {
    "behind a context": lambda _idx, count, end: end - count > 64,
    "one row": lambda _idx, count, _end: count == 1,
    "drafts": lambda _idx, count, _end: count == 4,
    "the second sequence": lambda idx, _count, _end: idx == 1,
}


class Recorded:
    """Stands for graphs: what is captured is kept, and only that is repeated."""

    name = "recorded"

    def __init__(self) -> None:
        self.num_captured = 0
        self.num_replayed = 0

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        self.num_captured += 1
        run()  # as a warm-up would

        def replay() -> None:
            self.num_replayed += 1
            run()

        return replay


def generate(
    runner: Runner, sampling: SamplingParams, count: int, slot: int = 0, prompt: list[int] = PROMPT
) -> list[SampledToken]:
    tokens: list[SampledToken] = []
    text, start = list(prompt), 0
    for _ in range(count):
        ids = [token.token_id for token in tokens]
        work = Work(slot, text[start:], start, 0, sampling, prompt, ids)
        tokens += runner.run([work])[0]
        start = len(text)
        text.append(tokens[-1].token_id)
    return tokens


def same(found: list[SampledToken], expected: list[SampledToken], bound: float = 1e-4) -> bool:
    return [token.token_id for token in found] == [token.token_id for token in expected] and (
        max(abs(a.logprob - b.logprob) for a, b in zip(found, expected, strict=True)) < bound
    )


@pytest.mark.parametrize("kind", DENSE)
def test_every_family_as_one_at_a_time(kind: str, device: torch.device) -> None:
    runner = gpu_model(kind, device, capture=Recorded()).runner
    reference = reference_runner(kind)
    for sampling in SAMPLINGS[1::2]:
        assert same(generate(runner, sampling, 3), generate(reference, sampling, 3))


def test_company_drafts_and_chunks_change_nothing(device: torch.device) -> None:
    """Random steps of many sequences, with right and wrong drafts, over captured steps only."""
    capture = Recorded()
    model = gpu_model("llama-gqa", device, capture=capture)
    reference = reference_runner("llama-gqa")
    rng = random.Random(2)
    prompts = [
        [1, *(rng.randrange(VOCAB_SIZE) for _ in range(rng.randrange(1, 45)))]
        for _ in range(NUM_SEQUENCES)
    ]
    samplings = [SAMPLINGS[idx % len(SAMPLINGS)] for idx in range(NUM_SEQUENCES)]
    expected = [
        generate(reference, sampling, NUM_TOKENS, prompt=prompt)
        for prompt, sampling in zip(prompts, samplings, strict=True)
    ]
    texts = [list(prompt) for prompt in prompts]
    done = [0] * NUM_SEQUENCES
    found: list[list[SampledToken]] = [[] for _ in prompts]
    num_steps = 0
    while any(len(tokens) < NUM_TOKENS for tokens in found):
        works: list[Work] = []
        owners: list[int] = []
        for idx, text in enumerate(texts):
            if len(found[idx]) >= NUM_TOKENS or rng.random() < 0.3:
                continue
            chunk = text[done[idx] :]
            if len(chunk) > 20 and rng.random() < 0.5:
                works.append(Work(idx, chunk[:17], done[idx]))
            else:
                right = [token.token_id for token in expected[idx][len(found[idx]) :]]
                drafts = [rng.choice((token, 9)) for token in right[: rng.randrange(5)]]
                drafts = drafts[: NUM_TOKENS - 1 - len(found[idx])]
                generated = [token.token_id for token in found[idx]]
                ids = [*chunk, *drafts]
                works.append(
                    Work(idx, ids, done[idx], len(drafts), samplings[idx], prompts[idx], generated)
                )
            owners.append(idx)
        if not works:
            continue
        num_steps += 1
        for idx, work, tokens in zip(owners, works, model.runner.run(works), strict=True):
            if work.sampling is None:
                done[idx] += len(work.token_ids)
                continue
            done[idx] = len(texts[idx]) + len(tokens) - 1
            found[idx] += tokens
            texts[idx] += [token.token_id for token in tokens]
    for idx in range(NUM_SEQUENCES):
        assert same(found[idx], expected[idx])
    assert capture.num_captured < capture.num_replayed
    assert num_steps / 2 <= capture.num_replayed


def test_masks_are_kept(device: torch.device) -> None:
    runner = gpu_model("llama", device).runner
    mask = np.zeros(VOCAB_SIZE, dtype=np.bool_)
    mask[[44, 45]] = True
    work = Work(0, [1, 2, 3], 0, 0, SamplingParams(), [1, 2, 3], allowed=[mask])
    assert runner.run([work])[0][0].token_id in (44, 45)


def test_prefix_copies_and_reuse(device: torch.device) -> None:
    runner = gpu_model("codellama", device).runner
    expected = generate(runner, SAMPLINGS[1], 4)
    runner.copy_prefix(0, 5, 9)
    tokens = runner.run([Work(5, PROMPT[9:], 9, 0, SAMPLINGS[1], PROMPT)])[0]
    assert same(tokens, expected[:1])


def test_scored_prompts_and_likeliest_tokens(device: torch.device) -> None:
    """What a request asks to be told of each place, beside one that asks for nothing."""
    runner, reference = gpu_model("llama-gqa", device).runner, reference_runner("llama-gqa")
    work = Work(0, PROMPT, 0, 2, SAMPLINGS[1], PROMPT[:-2], scored_ids=PROMPT[1:-2], top_n=3)
    works = [work, Work(1, PROMPT[:4], 0, 0, SAMPLINGS[0], PROMPT[:4], top_n=2)]
    found, expected = runner.run([*works, Work(2, PROMPT, 0)]), reference.run(works)
    assert len(found[0]) >= len(PROMPT) - 2
    assert found[2] == []
    for tokens, right in zip(found, expected, strict=False):
        assert same(tokens, right[: len(tokens)])
        assert [len(token.top) for token in tokens] == [len(token.top) for token in right][
            : len(tokens)
        ]


class Broken(PlainOperations):
    """Operations that forget a residual, or lose every number."""

    def __init__(self, factor: float) -> None:
        self._factor = factor

    def add_product(self, inputs: torch.Tensor, matrix: object, hidden: torch.Tensor) -> None:
        del inputs, matrix
        hidden.mul_(self._factor)


def broken(device: torch.device, factor: float) -> GpuModel:
    plain = plain_parts()
    parts = Parts(Broken(factor), plain.attention, plain.prompt_attention, "sdpa")
    return gpu_model("llama", device, parts=parts)


class Astray(PlainAttention):
    """Attention that loses some groups' rows."""

    def __init__(self, loses: Loses) -> None:
        self._loses = loses

    def attend(
        self,
        query: torch.Tensor,
        pages: Pages,
        groups: Groups,
        window: int | None,
        scale: float,
        out: torch.Tensor,
    ) -> None:
        super().attend(query, pages, groups, window, scale, out)
        tables = (groups.first_rows, groups.counts, groups.ends)
        told = zip(*([int(each) for each in table] for table in tables), strict=True)
        for idx, (first, count, end) in enumerate(told):
            if count and self._loses(idx, count, end):
                out[first : first + count] = 0


def test_logits_that_are_no_numbers_are_an_error(device: torch.device) -> None:
    with pytest.raises(EngineError, match="not numbers"):
        generate(broken(device, float("nan")).runner, SamplingParams(), 1)


def test_wrong_kernels_are_found_out(device: torch.device) -> None:
    assert failure(gpu_model("llama", device).forward, "") is None
    assert "off by" in str(failure(broken(device, 1.0).forward, ""))
    assert "off by nan" in str(failure(broken(device, float("nan")).forward, ""))


@pytest.mark.parametrize("where", LOSSES)
def test_kernels_that_are_wrong_at_some_steps_only_are_found_out(
    where: str, device: torch.device
) -> None:
    """Twelve rows of a prompt were all that was compared."""
    plain = plain_parts()
    parts = Parts(plain.operations, Astray(LOSSES[where]), plain.prompt_attention, "sdpa")
    assert "off by" in str(failure(gpu_model("llama", device, parts=parts).forward, ""))


@pytest.mark.parametrize("kind", ["qwen2", "llama-gqa"])
def test_triton_steps_are_the_plain_ones(kind: str, device: torch.device) -> None:
    """A whole model on our kernels, long and short prompts, a draft, both ways to choose."""
    pytest.importorskip("triton", reason="Triton is for Linux")
    works = [
        Work(0, PROMPT[:5], 0, 0, SAMPLINGS[0], PROMPT[:5]),
        Work(1, PROMPT, 0, 1, SAMPLINGS[1], PROMPT[:-1]),
    ]
    ours = gpu_model(kind, device, parts=triton_parts(kind, device))
    plain = gpu_model(kind, device)
    assert ours.runner.exact
    assert not plain.runner.exact
    for found, expected in zip(ours.runner.run(works), plain.runner.run(works), strict=True):
        assert same(found, expected)
    written = 5
    for part in ("keys", "values"):
        ours_part, plain_part = (
            getattr(model.cache, part)[:, 0, :, :written] for model in (ours, plain)
        )
        torch.testing.assert_close(ours_part, plain_part, rtol=1e-4, atol=1e-4)
