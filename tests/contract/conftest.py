"""A real engine with a tiny random model, for all tests of this folder."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from midfill_lsp.engine_process import process
from tests.contract.examples import examples
from tests.engine.tiny import write_tiny_model
from tests.lsp.engine_process.conftest import until

KEY = "contract-key-of-some-32-characters"  # a shorter one is not proved
_TEMPLATE = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"


@dataclass(frozen=True)
class RealEngine:
    """An engine process of this test run."""

    pid: int
    url: str
    ready: dict[str, Any]
    model: Path
    ready_file: Path


@pytest.fixture(scope="session")
def page() -> dict[str, Any]:
    return examples()


@pytest.fixture(scope="session")
def real_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealEngine]:
    folder = tmp_path_factory.mktemp("engine")
    with running_engine(folder, write_tiny_model(folder / "tiny", "codellama")) as engine:
        yield engine


@contextmanager
def running_engine(folder: Path, model: Path) -> Generator[RealEngine]:
    """An engine process with this model, whose key is `KEY`."""
    (model / "chat_template.jinja").write_text(_TEMPLATE, encoding="utf-8")
    key_file, ready_file, log = folder / "key", folder / "ready.json", folder / "log"
    key_file.write_text(KEY)
    arguments = ["--model", str(model), "--port", "0", "--device", "cpu"]
    arguments += ["--api-key-file", str(key_file), "--ready-file", str(ready_file)]
    argv = [sys.executable, "-m", "midfill_engine.cli", "serve", *arguments]
    environment = {k: v for k, v in os.environ.items() if k != "MIDFILL_API_KEY"}
    with log.open("wb") as output:
        engine = subprocess.Popen(argv, stdout=output, stderr=output, cwd=folder, env=environment)
    try:
        asyncio.run(until(lambda: ready_file.exists() or engine.poll() is not None, 60))
        assert engine.poll() is None, log.read_text()
        ready = json.loads(ready_file.read_text())
        yield RealEngine(engine.pid, ready["url"], ready, model, ready_file)
    finally:
        process.end(engine.pid)
        engine.wait(20)


@pytest_asyncio.fixture
async def client(real_engine: RealEngine) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(
        base_url=real_engine.url, headers=headers, trust_env=False, timeout=30
    ) as client:
        yield client
