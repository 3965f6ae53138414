"""How long an infill prompt is by default."""

from __future__ import annotations

import pytest

from midfill_engine.exec.cold_prompt import infill_tokens
from midfill_engine.exec.threads import set_threads


@pytest.fixture(autouse=True)
def _threads_as_before() -> object:
    yield
    set_threads(None)


@pytest.mark.parametrize(
    ("threads", "num_parameters", "tokens"),
    [
        (1, 31_600_000, 1024),
        (2, 31_600_000, 2048),
        (8, 31_600_000, 8192),
        (2, 5_500_000, 8192),
        (2, 494_000_000, 512),  # a second there, which is as low as it goes
        (16, 494_000_000, 1024),
        (2, 7_000_000_000, 512),
        (64, 31_600_000, 65_536),
    ],
)
def test_it_hangs_on_the_threads_and_the_model(
    threads: int, num_parameters: int, tokens: int
) -> None:
    set_threads(threads)
    assert infill_tokens("cpu", num_parameters) == tokens


def test_a_gpu_takes_what_the_context_holds() -> None:
    assert infill_tokens("cuda:0", 7_000_000_000) is None
