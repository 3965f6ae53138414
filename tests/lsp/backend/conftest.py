"""An engine that listens, and a backend that talks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from midfill_lsp.backend.infill import InfillBackend
from midfill_lsp.engine_process.endpoint import FixedEngine
from tests.lsp.backend.fake_engine import FakeEngine


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[FakeEngine]:
    async with FakeEngine() as engine:
        yield engine


@pytest_asyncio.fixture(params=["short way", "httpx"])
async def backend(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[InfillBackend]:
    """A backend of either way to the engine; both have to do the same."""
    if request.param == "httpx":
        monkeypatch.setattr("midfill_lsp.backend.http.LocalTransport", lambda: None)
    monkeypatch.setenv("MIDFILL_API_KEY", "secret")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # must not be used on this machine
    backend = InfillBackend(FixedEngine(engine.url))
    yield backend
    await backend.aclose()
