"""`midfill models use` on a real engine: who asks next gets the new model, an open reply ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from midfill_lsp.cli.info import fetch_info
from midfill_lsp.cli.use_model import ModelRefused, use
from midfill_lsp.config import EngineConfig
from tests.contract.conftest import KEY, RealEngine
from tests.engine.tiny import write_tiny_model

pytestmark = pytest.mark.e2e


@pytest.fixture
def config(real_engine: RealEngine, monkeypatch: pytest.MonkeyPatch) -> EngineConfig:
    monkeypatch.setenv("MIDFILL_API_KEY", KEY)
    return EngineConfig(url=real_engine.url)


async def in_use(engine: RealEngine) -> object:
    return (await fetch_info(engine.url))["model_id"]


async def test_an_open_reply_is_ended_by_the_model_that_began_it(
    real_engine: RealEngine, config: EngineConfig, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    other = write_tiny_model(tmp_path / "other", "codellama")
    told: list[str] = []
    body = {"input_prefix": "a", "input_suffix": "b", "n_predict": 100, "stream": True}
    async with client.stream("POST", "/infill", json=body) as reply:
        lines = reply.aiter_lines()
        assert json.loads((await anext(lines)).removeprefix("data: "))["stop"] is False
        await use(config, str(other), told.append)
        assert await in_use(real_engine) == "other"
        last = await _last_event(lines)
    assert (last["stop"], last["model"]) == (True, "tiny")
    assert told[:2] == [f"loading {other} beside tiny", "other is in use"]
    assert told[2].startswith("tiny ends")
    await use(config, str(real_engine.model), told.append)
    assert await in_use(real_engine) == "tiny"


async def _last_event(lines: AsyncIterator[str]) -> dict[str, object]:
    events = [json.loads(line.removeprefix("data: ")) async for line in lines if line]
    last: dict[str, object] = events[-1]
    return last


async def test_what_is_in_use_stays(real_engine: RealEngine, config: EngineConfig) -> None:
    told: list[str] = []
    await use(config, "tiny", told.append)
    assert told == ["tiny is in use already"]


async def test_a_model_that_cannot_be_loaded_changes_nothing(
    real_engine: RealEngine, config: EngineConfig, tmp_path: Path
) -> None:
    with pytest.raises(ModelRefused, match="no tokenizer at"):
        await use(config, str(tmp_path), lambda _line: None)
    assert await in_use(real_engine) == "tiny"
