"""Failures of our own code inside of a step: the request still gets its one end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from midfill_engine.errors import DeviceLost, EngineDied
from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.text.detokenize import Detokenizer
from tests.engine.runtime.conftest import Collector, request, run
from tests.engine.runtime.fake_runner import ENDLESS, FakeRunner, expected_tokens


def test_a_last_event_that_cannot_be_made_is_an_error(
    loop: EngineLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was logged and lost, and the client waited for ever."""

    def fail(_: Detokenizer) -> str:
        raise RuntimeError("bug")

    with monkeypatch.context() as patch:
        patch.setattr(Detokenizer, "flush", fail)
        collector = Collector()
        loop.submit(request([1], 2), collector)
        end = collector.finished()
    assert (end.reason, loop.num_open) == ("error", 0)
    assert run(loop, request([1], 2)).token_ids == expected_tokens([1], 2)


def test_a_lost_device_ends_all_that_is_open_and_refuses_the_rest(
    loop: EngineLoop, runner: FakeRunner
) -> None:
    """Each request failed alone, with a word that named no remedy, and the engine stayed alive."""

    def fail(prompt: Sequence[int]) -> None:
        if prompt[0] == 66:
            raise DeviceLost("cuda failed: restart midfill-engine")

    runner.fail = fail
    collectors = [Collector() for _ in range(4)]
    runner.gate.clear()
    for first, collector in zip([1, 66, 2, 3], collectors, strict=True):  # the last one waits
        loop.submit(request([first], ENDLESS), collector)
    assert loop.failure is None
    runner.gate.set()
    for collector in collectors:
        end = collector.finished()
        assert (end.reason, end.error) == ("error", "cuda failed: restart midfill-engine")
    with pytest.raises(EngineDied, match="cuda failed: restart midfill-engine"):
        loop.submit(request([1], 1), Collector())
    assert loop.failure == "cuda failed: restart midfill-engine"
    loop.check_integrity()
