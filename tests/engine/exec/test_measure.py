"""What `midfill-engine measure` tells: steps that were really run, and the sums made of them."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from midfill_engine import cli
from midfill_engine.errors import ModelError
from midfill_engine.exec import measure
from midfill_engine.exec.runner import Runner
from midfill_engine.exec.work import Work
from midfill_lsp.cli.machine import read_measurement

_TINY = measure.Stack(hidden=64, inner=96, heads=2, kv_heads=1, layers=2, vocab=64)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stacks that take no time, in the proportions of the real ones."""
    monkeypatch.setattr(measure, "NARROW", replace(_TINY, layers=8))
    monkeypatch.setattr(measure, "WIDE", replace(_TINY, hidden=512, inner=2048, heads=8))
    monkeypatch.setattr(measure, "MIDDLE", replace(_TINY, hidden=256, inner=512))
    monkeypatch.setattr(measure, "_STEP_S", 0.01)


def test_no_step_reads_what_nobody_wrote() -> None:
    """What another use had left there might be no number."""
    ran: list[Work] = []
    runner = SimpleNamespace(run=ran.extend)
    measure._step(cast("Runner", runner), 3)()  # pyright: ignore[reportPrivateUsage]  # what is timed
    assert [(work.start, len(work.token_ids)) for work in ran] == [(0, 64), (64, 3)]


@pytest.mark.parametrize(("byte_s", "layer_s"), [(1e-10, 3e-5), (7e-11, 0.0)])
def test_the_stacks_give_what_a_byte_and_a_layer_take(byte_s: float, layer_s: float) -> None:
    sizes, layers = [6e6, 4e7, 3.6e7], [16, 2, 1]
    seconds = [size * byte_s + count * layer_s for size, count in zip(sizes, layers, strict=True)]
    found = measure.fit(sizes, layers, seconds)
    assert found == pytest.approx((byte_s, layer_s, 0.0), abs=1e-9)
    assert found[0] == pytest.approx(byte_s)
    seconds[1] *= 1.2
    assert 0.05 < measure.fit(sizes, layers, seconds)[2] < 0.2


def test_where_noise_makes_a_layer_cost_less_than_nothing_bytes_alone_count() -> None:
    byte_s, layer_s, error = measure.fit([1e7, 1.5e8], [16, 4], [1e-4, 1.5e-2])
    assert 0 < byte_s < 1e-9
    assert layer_s == 0.0
    assert error > 0.1


@pytest.mark.usefixtures("small")
def test_real_steps_are_timed() -> None:
    speed = measure.measure("cpu")
    assert speed.device == "cpu"
    assert speed.kernels
    assert speed.weight_bytes in {4.0, 2.0, 66 / 64, 50 / 64}
    assert (speed.dtype == "float32") == (speed.weight_bytes == 4.0)
    assert speed.bytes_per_s > 0
    assert speed.layer_s >= 0
    assert speed.prompt_weights_per_s > 0
    assert speed.error >= 0


def test_a_prompts_step_computes_every_layer_for_every_token() -> None:
    """The last layer once computed one token of 64: prompts were foretold 4.5 times too quick."""
    ran: list[Work] = []

    class Keeps:
        def run(self, works: list[Work]) -> None:
            ran.extend(works)

    for num_tokens in (1, 64):
        step = measure._step(  # pyright: ignore[reportPrivateUsage]  # what is timed
            cast("Runner", Keeps()), num_tokens
        )
        step()
    timed = ran[1::2]  # each behind what stands before it
    assert [work.num_logits for work in timed] == [1, 64]
    assert [work.plain for work in timed] == [True, False]


@pytest.mark.usefixtures("small")
def test_the_command_prints_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(device: str) -> measure.Speed:
        raise ModelError(f"no memory\non {device}")

    assert cli.main(["measure"]) == 0
    printed = capsys.readouterr().out
    read = read_measurement(printed)  # by the language server, which never imports the engine
    told = json.loads(printed)
    assert read.speeds["cpu"].bytes_per_s == told["devices"][-1]["bytes_per_s"]
    assert told["devices"][-1]["device"] == "cpu"
    assert told["devices"][-1]["bytes_per_s"] > 0
    assert told["threads"] >= 1
    assert len(told["gpus"]) == len(measure.gpus())
    monkeypatch.setattr(measure, "measure", fails)
    assert cli.main(["measure"]) == 0
    last = json.loads(capsys.readouterr().out)["devices"][-1]
    assert last == {"device": "cpu", "failed": "no memory on cpu"}
