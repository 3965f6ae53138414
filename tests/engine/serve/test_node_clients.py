"""openai and @huggingface/inference for Node against a real tiny model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from midfill_engine.config import EngineConfig, ModelConfig
from midfill_engine.serve.load import load_served
from midfill_engine.serve.served import Served
from tests.engine.serve.conftest import KEY, LiveServer

_FOLDER = Path(__file__).parents[2] / "node"
_SWITCH = "MIDFILL_TEST_NODE"


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Iterator[Served]:
    model = ModelConfig(source=str(tiny_folder), device="cpu", max_context=128)
    served = load_served(EngineConfig(model=model))
    yield served
    served.engine.close()


def _node() -> str:
    """The node program, its packages installed; without them the test fails and says why."""
    if os.environ.get(_SWITCH) == "off":
        pytest.skip(f"{_SWITCH} is off")
    node = shutil.which("node")
    if node is None or not (_FOLDER / "node_modules" / "openai").is_dir():
        missing = "node" if node is None else "the packages of tests/node"
        pytest.fail(f"{missing} not found: install Node 20 and run make setup, or {_SWITCH}=off")
    return node


def test_node_clients(tiny: Served, start_server: Callable[..., LiveServer]) -> None:
    node = _node()
    url = start_server(tiny).url
    environment = {**os.environ, "ENGINE_URL": url, "ENGINE_KEY": KEY}
    ran = subprocess.run(
        [node, "completions.mjs"],
        cwd=_FOLDER,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    assert (told["models"], told["model"]) == (["tiny"], "tiny")
    assert told["completionTokens"] == told["streamedTokens"] == 5
    assert told["streamed"] == told["text"]
    assert told["choices"] == [0, 1]
    assert told["infilled"] > 4
    assert told["refused"] == "model_not_found"
    assert told["tokens"] == told["generated"]
