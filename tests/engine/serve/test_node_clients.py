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
from tests.engine.serve.chat_models import write_chat_model
from tests.engine.serve.conftest import KEY, LiveServer

_FOLDER = Path(__file__).parents[2] / "node"


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Iterator[Served]:
    model = ModelConfig(source=str(tiny_folder), device="cpu", max_context=128)
    served = load_served(EngineConfig(model=model))
    yield served
    served.engine.close()


def _node() -> str:
    """The node program, its packages installed; without them the test fails and says why."""
    node = shutil.which("node")
    if node is None or not (_FOLDER / "node_modules" / "openai").is_dir():
        missing = "node" if node is None else "the packages of tests/node"
        pytest.fail(f"{missing} not found: install Node 20 and run make setup")
    return node


def _told(program: str, url: str) -> dict[str, Any]:
    """What a program of `tests/node` printed."""
    environment = {**os.environ, "ENGINE_URL": url, "ENGINE_KEY": KEY}
    ran = subprocess.run(
        [_node(), program],
        cwd=_FOLDER,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def test_node_clients(tiny: Served, start_server: Callable[..., LiveServer]) -> None:
    told = _told("completions.mjs", start_server(tiny).url)
    assert (told["models"], told["model"]) == (["tiny"], "tiny")
    assert told["completionTokens"] == told["streamedTokens"] == 5
    assert told["streamed"] == told["text"]
    assert told["choices"] == [0, 1]
    assert told["infilled"] > 4
    assert told["refused"] == "model_not_found"
    assert told["tokens"] == told["generated"]


def test_hugging_face_chat_for_node(
    tmp_path: Path, start_server: Callable[..., LiveServer]
) -> None:
    folder = write_chat_model(tmp_path / "tiny")
    model = ModelConfig(source=str(folder), name="owner/tiny", device="cpu", max_memory_mb=2048)
    served = load_served(EngineConfig(model=model))
    try:
        told = _told("chat.mjs", start_server(served).url)
    finally:
        served.engine.close()
    for place in ("general", "model"):
        assert told[place]["text"]
        assert told[place]["streamed"] == told[place]["text"]
        assert told[place]["tokens"] <= 6
        assert told[place]["reason"] in {"length", "stop"}
    assert told["general"]["text"] == told["model"]["text"]
    assert told["refused"]["status"] == 422
    assert list(told["formed"]) == ["ok"]
