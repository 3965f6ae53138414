"""A model that transformers runs behind the same routes: text, stream, infill, abort, `/info`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from midfill_engine.config import EngineConfig, ModelConfig
from midfill_engine.runtime.request import GenerationRequest
from midfill_engine.serve.load import load_served
from midfill_engine.serve.served import Served
from tests.engine.other_models import generated, write_other_model
from tests.engine.runtime.conftest import Collector
from tests.engine.serve.conftest import LiveServer, sse_values


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("other") / "star"


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:  # noqa: ANN401  # untyped in transformers
    return write_other_model(folder, "starcoder2")


@pytest.fixture(scope="module")
def served(folder: Path, model: object) -> Iterator[Served]:
    config = ModelConfig(source=str(folder), device="cpu", max_context=256, num_threads=1)
    loaded = load_served(EngineConfig(model=config))
    yield loaded
    loaded.engine.close()


@pytest.fixture
def server(served: Served, start_server: Callable[..., LiveServer]) -> LiveServer:
    return start_server(served)


def test_the_routes(server: LiveServer, served: Served, model: Any) -> None:  # noqa: ANN401  # untyped
    inputs = "def add(a, b):\n    return "
    ids = served.tokenizer.encode_with_specials(inputs)
    body = {"inputs": inputs, "parameters": {"max_new_tokens": 12, "details": True}}
    infill: dict[str, Any] = {
        "input_prefix": "def f(x):\n    ",
        "input_suffix": "\n    return y\n",
        "n_predict": 9,
    }
    with server.client() as client:
        info = client.get("/info").json()["midfill"]
        assert info["architecture"] == "Starcoder2ForCausalLM"
        assert info["kernels"] == "transformers (slower)"
        assert info["speculation"] is False
        reply = client.post("/generate", json=body).json()
        tokens = [token["id"] for token in reply["details"]["tokens"]]
        events = sse_values(client.post("/generate_stream", json=body).text)
        assert tokens == generated(model, ids, 12)[: len(tokens)]
        assert events[-1]["generated_text"] == reply["generated_text"]
        first = client.post("/infill", json=infill).json()
        assert first["content"]
        again = client.post("/infill", json={**infill, "stream": True}).text
        pieces = [event["content"] for event in sse_values(again)]
        assert "".join(pieces) == first["content"]
        typed = {**infill, "input_prefix": infill["input_prefix"] + "y"}
        assert client.post("/infill", json=typed).json()["tokens_cached"] > 0


def test_abort(served: Served) -> None:
    collector = Collector()
    asked = GenerationRequest((1, 50, 60), 250)
    handle = served.engine.submit(asked, collector)
    collector.next_token()
    handle.abort()
    end = collector.finished()
    assert end.reason == "aborted"
    assert end.timings.generated_tokens < 250
