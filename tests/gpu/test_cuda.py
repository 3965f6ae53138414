"""Graphs, compiled kernels and whole models on a real GPU, against torch and transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from bench import gpu_parts
from bench.gpu_models import build

from midfill_engine.exec.runner import Runner
from midfill_engine.exec.sampling_params import SampledToken, SamplingParams
from midfill_engine.exec.work import Work
from midfill_engine.model.gpu_weights import GpuKind
from tests.engine.tiny import KINDS, tiny_reference, write_tiny_model

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

PROMPT = [1, 40, 41, 300, 310, 77, 78, 79, 200, 201, 202, *range(400, 430)]
GREEDY = SamplingParams()
DENSE = tuple(kind for kind in KINDS if kind != "mixtral")


def generate(runner: Runner, sampling: SamplingParams, drafts: list[int]) -> list[SampledToken]:
    """Twelve tokens behind PROMPT, in steps that verify what is left of `drafts`."""
    tokens: list[SampledToken] = []
    text, start = list(PROMPT), 0
    while len(tokens) < 12:
        guess = drafts[len(tokens) : min(11, len(tokens) + 5)]
        ids = [token.token_id for token in tokens]
        work = Work(0, [*text[start:], *guess], start, len(guess), sampling, PROMPT, ids)
        found = runner.run([work])[0]
        start = len(text) + len(found) - 1
        text += [token.token_id for token in found]
        tokens += found
    return tokens


@pytest.fixture(scope="module", params=DENSE)
def loaded(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Runner:
    kind: str = request.param
    folder: Path = write_tiny_model(tmp_path_factory.mktemp("model"), kind)
    return Runner.load(
        str(folder), device="cuda", dtype="float32", kernels="native", max_total_tokens=128
    )


def test_graphs_give_what_transformers_gives(
    loaded: Runner, request: pytest.FixtureRequest
) -> None:
    kind: str = request.node.callspec.params["loaded"]
    expected = tiny_reference(kind).generate(
        torch.tensor([PROMPT]),
        attention_mask=torch.ones(1, len(PROMPT), dtype=torch.int64),
        max_new_tokens=12,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    assert "CUDA graphs" in str(loaded.describe()["kernels"])
    found = [token.token_id for token in generate(loaded, GREEDY, [])]
    assert found == expected[0, len(PROMPT) :].tolist()


@pytest.mark.parametrize("sampling", [GREEDY, SamplingParams(temperature=1.0, seed=5)])
def test_drafts_change_no_bit(loaded: Runner, sampling: SamplingParams) -> None:
    alone = generate(loaded, sampling, [])
    ids = [token.token_id for token in alone]
    assert generate(loaded, sampling, ids) == alone
    assert generate(loaded, sampling, [ids[0], ids[1] ^ 1, *ids[2:]]) == alone


@pytest.mark.parametrize("attention", ["triton", "whole"])
@pytest.mark.parametrize("kind", ["plain", "fp8", "int8"])
def test_company_changes_no_bit(kind: GpuKind, attention: str) -> None:
    """What `exact` promises, for 1 to 33 rows."""
    if kind == "fp8" and torch.cuda.get_device_capability() < (8, 9):
        pytest.skip("no float8 before compute capability 8.9")
    if attention == "whole" and torch.cuda.get_device_capability() < (9, 0):
        pytest.skip("no step of one launch before compute capability 9.0")
    cuda = torch.device("cuda")
    bench = build("small", kind, cuda, num_slots=32, max_len=128, attention=attention)
    checked = gpu_parts.check(bench)
    assert checked["same_bits"]
    assert checked["difference"] < 0.05
