"""Failures of our own code inside of a step: the request still gets its one end."""

from __future__ import annotations

import pytest

from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.text.detokenize import Detokenizer
from tests.engine.runtime.conftest import Collector, request, run
from tests.engine.runtime.fake_runner import expected_tokens


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
