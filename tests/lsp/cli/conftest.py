"""A private state folder, and an engine that answers without a model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.lsp.backend.fake_engine import FakeEngine


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("MIDFILL_STATE_DIR", str(folder))
    monkeypatch.setenv("MIDFILL_API_KEY", "secret")
    return folder


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[FakeEngine]:
    async with FakeEngine() as engine:
        yield engine
