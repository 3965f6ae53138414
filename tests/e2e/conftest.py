"""A real language server over stdio, which starts a real engine with the bundled model."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from midfill_lsp.engine_process import process
from tests.client import LspClient, lsp_client
from tests.lsp.engine_process.conftest import until

MODEL = os.environ.get("MIDFILL_TEST_MODEL", "starter")
"""Another folder can be tried with the same tests."""

StartEditor = Callable[..., AbstractAsyncContextManager[LspClient]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MIDFILL_")}
    own = {"STATE": tmp_path / "state", "CONFIG": tmp_path / "config"}
    return {**kept, **{f"MIDFILL_{name}_DIR": str(folder) for name, folder in own.items()}}


@pytest.fixture
def start_editor(environment: dict[str, str]) -> StartEditor:
    """Return a function that starts `midfill lsp` as an editor would."""

    def start(**extra_environment: str) -> AbstractAsyncContextManager[LspClient]:
        command = (sys.executable, "-m", "midfill_lsp.cli", "lsp", "--no-early-start")
        return lsp_client(*command, env={**environment, **extra_environment})

    return start


@pytest_asyncio.fixture
async def editor(start_editor: StartEditor) -> AsyncIterator[LspClient]:
    """One editor, hands shaken, whose engine ends right after it."""
    async with start_editor() as client:
        await client.initialize(settings())
        yield client
        pid = await engine_pid(client)
        assert await client.shut_down() == 0
        if pid is not None:
            await until(lambda: not process.is_alive(pid))


def settings(engine: dict[str, Any] | None = None, **completion: object) -> dict[str, Any]:
    """Initialization options for a short-lived engine with the model under test."""
    chosen = {"model": MODEL, "device": "cpu", "exitWhenUnusedS": 0.2, **(engine or {})}
    return {"midfill": {"engine": chosen, "completion": completion}}


async def engine_pid(client: LspClient) -> int | None:
    """Return the process id of the engine in use."""
    command: dict[str, Any] = {"command": "midfill.status", "arguments": []}
    status = await client.request("workspace/executeCommand", command)
    pid: int | None = status["engine"]["pid"]
    return pid
