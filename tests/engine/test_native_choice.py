"""The kernels' own greedy choice against the one made from logits: tokens exactly, errors too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from bench.torch_native import TorchNative

from midfill_engine.errors import EngineError
from midfill_engine.exec.runner import Runner
from midfill_engine.exec.sampling import sample
from midfill_engine.exec.sampling_params import SampledToken, SamplingParams
from midfill_engine.exec.verify import choose, keep
from midfill_engine.exec.work import Work
from midfill_engine.kernels.library import WEIGHT_KINDS, Library
from midfill_engine.model.native_rows import Rows
from midfill_engine.model.native_weights import WeightKind
from tests.engine.native_models import RandomModel, library_or_skip, random_ids, random_model
from tests.engine.tiny import tiny_config, tiny_reference

GREEDY = SamplingParams()


@pytest.fixture(scope="module")
def library() -> Library:
    return library_or_skip()


def assert_chosen_as_sampled(native: TorchNative, model: RandomModel, num_rows: int) -> None:
    rows = Rows(
        [int(token) for token in random_ids(model.spec, num_rows)],
        range(num_rows),
        (1,) * num_rows,
        range(num_rows),
    )
    found = native.step(rows, model.cache(), keep_logits=True)
    assert found.logits is not None
    for idx, logits in enumerate(found.logits):
        expected = sample(logits, GREEDY, (), (), 0)
        assert found.best[idx] == expected.token_id
        assert found.logprobs[idx] == pytest.approx(expected.logprob, abs=2e-5)
    without = native.step(rows, model.cache(), keep_logits=False)
    assert without.logits is None
    assert (without.best, without.logprobs) == (found.best, found.logprobs)


@pytest.mark.parametrize("kind", WEIGHT_KINDS)
def test_the_best_token_is_the_samplers(library: Library, kind: WeightKind) -> None:
    """333 tokens fill no whole panel; 270 rows are more than one portion."""
    model = random_model("odd-sizes")
    for name in library.instruction_sets():
        native = TorchNative(
            model.spec, model.weights, library, kind=kind, num_threads=2, instruction_set=name
        )
        for num_rows in (1, 270):
            assert_chosen_as_sampled(native, model, num_rows)
        native.close()


@pytest.mark.parametrize("first", [0, 3, 40, 332])
def test_among_equals_the_lowest_id_is_chosen(library: Library, first: int) -> None:
    """Tokens from `first` on share one column, those before it have the opposite one."""
    model = random_model("odd-sizes")
    column = torch.randn(model.spec.hidden_size, 1, generator=torch.Generator().manual_seed(3))
    head = torch.cat((-column.expand(-1, first), column.expand(-1, 333 - first)), 1).contiguous()
    model = RandomModel(model.spec, replace(model.weights, head=head))
    for name in library.instruction_sets():
        native = TorchNative(model.spec, model.weights, library, instruction_set=name)
        assert_chosen_as_sampled(native, model, 20)
        native.close()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("kernels", ["native", "torch"])
def test_logits_that_are_no_numbers_are_an_error(
    library: Library, wrong: float, kernels: str
) -> None:
    """One token's weights are broken; minus infinity rules it out or makes it the largest."""
    tensors = dict(tiny_reference("codellama").state_dict())
    head = tensors["lm_head.weight"].clone()
    head[130] = 0.0
    head[130, 5] = wrong
    runner = Runner.from_parts(
        tiny_config("codellama"), {**tensors, "lm_head.weight": head}, kernels=kernels
    )
    works = [Work(0, [token], 0, sampling=GREEDY) for token in range(3, 60)]
    with pytest.raises(EngineError, match="not numbers"):  # of either sign, by the token before
        _ = [runner.run([work]) for work in works]


def test_keeping_a_draft_is_choosing_along_it() -> None:
    generator = torch.Generator().manual_seed(1)
    lengths: set[int] = set()
    for _ in range(200):
        logits = torch.randint(0, 3, (5, 4), generator=generator).float()  # many equals
        best = [sample(row, GREEDY, (), (), 0) for row in logits]
        drafts = [int(token) for token in torch.randint(0, 3, (4,), generator=generator)]
        work = Work(0, [9, 9, *drafts], 7, 4, GREEDY)
        kept = keep(best, work)
        assert kept == choose(logits, work)
        lengths.add(len(kept))
    assert lengths == {1, 2, 3, 4, 5}


def test_a_places_choice_is_the_kernels_own_whatever_masks_other_places(library: Library) -> None:
    """A mask on the first place once changed the last bits of the second's log-probability."""
    tensors = dict(tiny_reference("codellama").state_dict())
    runner = Runner.from_parts(tiny_config("codellama"), tensors, kernels="native")
    prompt = [5, 9, 33, 7]
    (alone,) = runner.run([Work(0, prompt, 0, sampling=GREEDY)])
    masks = (np.ones(runner.vocab_size, dtype=np.bool_), None)
    drafted = Work(1, [*prompt, alone[0].token_id], 0, 1, GREEDY, allowed=masks)
    (together,) = runner.run([drafted])
    (next_alone,) = runner.run([Work(0, [alone[0].token_id], 4, sampling=GREEDY)])
    assert together[1] == next_alone[0]


def test_keeping_what_is_no_number_is_an_error_only_where_it_is_reached() -> None:
    nan = SampledToken(2, float("nan"))
    right = SampledToken(1, -0.5)
    assert keep([right, nan], Work(0, [9, 3], 0, 1, GREEDY)) == [right]
    with pytest.raises(EngineError, match="not numbers"):
        keep([right, nan], Work(0, [9, 1], 0, 1, GREEDY))


@pytest.mark.parametrize(
    ("sampling", "plain"),
    [
        (None, False),
        (GREEDY, True),
        (SamplingParams(top_k=4, top_p=0.5, seed=8), True),
        (SamplingParams(temperature=0.1), False),
        (SamplingParams(repetition_penalty=1.1), False),
        (SamplingParams(frequency_penalty=0.1), False),
    ],
)
def test_what_is_plain(sampling: SamplingParams | None, plain: bool) -> None:
    assert Work(0, [1], 0, sampling=sampling).plain is plain
    assert Work(0, [1], 0, sampling=sampling, allowed=(None,)).plain is plain
    assert not Work(0, [1], 0, sampling=sampling, allowed=(np.ones(3, dtype=np.bool_),)).plain
