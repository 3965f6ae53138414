"""llama-index's own clients against a real tiny model that chats."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from midfill_engine.config import EngineConfig, ModelConfig
from midfill_engine.serve.load import load_served
from tests.engine.serve.chat_models import write_chat_model
from tests.engine.serve.conftest import KEY, LiveServer

_ROOT = Path(__file__).parents[3]
_PACKAGES = _ROOT / ".venv" / "llama-index"


def _drive(url: str) -> dict[str, Any]:
    """What tests/llamaindex printed."""
    if not (_PACKAGES / "llama_index").is_dir():
        pytest.fail("llama-index not found: run make setup")
    paths = {"PYTHONPATH": str(_PACKAGES), "HF_HOME": str(_PACKAGES / "none")}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", str(_ROOT / "tests" / "llamaindex" / "drive.py")],
        env={**os.environ, **paths, "ENGINE_URL": url, "ENGINE_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def test_llama_index(tmp_path: Path, start_server: Callable[..., LiveServer]) -> None:
    """Whole, streamed and asynchronous answers agree, of each of its two clients."""
    folder = write_chat_model(tmp_path / "tiny")
    model = ModelConfig(source=str(folder), name="owner/tiny", device="cpu", max_context=512)
    served = load_served(EngineConfig(model=model))
    try:
        told = _drive(start_server(served).url)
    finally:
        served.engine.close()
    for client in ("completions", "chat", "text_generation", "conversational"):
        found = told[client]
        assert found["complete"]
        assert len({found[way] for way in _WRITES}) == 1, client
        assert found["chat"]
        assert len({found[way] for way in _TALKS}) == 1, client
        assert min(found["pieces"]) > 1
    assert told["call"]["name"] == "weather"
    assert isinstance(told["call"]["arguments"]["place"], int)
    assert told["refused"] == "model_not_found"


_WRITES = ("complete", "stream_complete", "acomplete", "astream_complete")
_TALKS = ("chat", "stream_chat", "achat", "astream_chat")
