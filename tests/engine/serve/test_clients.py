"""Client libraries that nobody here wrote, against a real tiny model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from huggingface_hub import InferenceClient
from openai import NotFoundError, OpenAI
from pydantic import SecretStr

from midfill_engine.config import EngineConfig, ModelConfig
from midfill_engine.serve.load import load_served
from midfill_engine.serve.served import Served
from tests.engine.serve.conftest import AUTH, KEY, LiveServer


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Iterator[Served]:
    model = ModelConfig(source=str(tiny_folder), device="cpu", max_context=512)
    served = load_served(EngineConfig(model=model))
    yield served
    served.engine.close()


@pytest.fixture
def url(tiny: Served, start_server: Callable[..., LiveServer]) -> str:
    return start_server(tiny).url


def test_hugging_face_client(url: str) -> None:
    client = InferenceClient(model=url, token=KEY)
    details = client.text_generation(
        "def add(a, b):", details=True, max_new_tokens=6, return_full_text=False
    )
    text = client.text_generation("def add(a, b):", max_new_tokens=6, return_full_text=False)
    assert details.generated_text == text
    assert details.details is not None
    assert details.details.finish_reason == "length"
    assert details.details.generated_tokens == 6
    assert len(details.details.tokens) == 6
    pieces = client.text_generation(
        "def add(a, b):", stream=True, max_new_tokens=6, return_full_text=False
    )
    assert "".join(pieces) == details.generated_text
    stream = client.text_generation(
        "def add(a, b):", stream=True, details=True, max_new_tokens=6, return_full_text=False
    )
    events = list(stream)
    assert [event.index for event in events] == [1, 2, 3, 4, 5, 6]
    assert events[-1].generated_text == details.generated_text
    assert events[-1].details is not None


def test_hugging_face_client_sees_the_full_text_by_default(url: str) -> None:
    client = InferenceClient(model=f"{url}/models/tiny", token=KEY)
    assert client.text_generation("def add").startswith("def add")


def test_openai_client(url: str) -> None:
    with OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        whole = client.completions.create(model="tiny", prompt="x =", temperature=0, max_tokens=5)
        assert whole.usage is not None
        assert whole.usage.completion_tokens == 5
        assert whole.choices[0].finish_reason == "length"
        stream = client.completions.create(
            model="tiny", prompt="x =", temperature=0, max_tokens=5, stream=True
        )
        assert "".join(chunk.choices[0].text for chunk in stream) == whole.choices[0].text
        infilled = client.completions.create(
            model="tiny", prompt="def f():\n", suffix="\n", temperature=0, max_tokens=4
        )
        assert infilled.usage is not None
        assert infilled.usage.prompt_tokens > 4
        assert [model.id for model in client.models.list()] == ["tiny"]
        assert client.models.retrieve("tiny").object == "model"
        several = client.completions.create(
            model="tiny",
            prompt=["x =", "def "],
            n=2,
            best_of=3,
            seed=5,
            logprobs=2,
            echo=True,
            max_tokens=3,
            user="me",
        )
        assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
        assert several.choices[3].text.startswith("def ")
        assert several.choices[3].logprobs is not None
        chunks = client.completions.create(
            model="tiny",
            prompt="x =",
            max_tokens=3,
            stream=True,
            stream_options={"include_usage": True},
        )
        assert next(chunk.usage.completion_tokens for chunk in chunks if chunk.usage) <= 3
        with pytest.raises(NotFoundError) as refused:
            client.completions.create(model="none", prompt="x")
        assert refused.value.code == "model_not_found"


def test_langchain(url: str) -> None:
    from langchain_openai import OpenAI as LangChainOpenAI  # takes a second to import

    model = LangChainOpenAI(
        base_url=f"{url}/v1", api_key=SecretStr(KEY), model="tiny", temperature=0, max_tokens=5
    )
    whole = model.invoke("x =")
    assert "".join(model.stream("x =")) == whole
    both = model.generate(["x =", "def "])
    assert both.generations[0][0].text == whole
    assert len(both.generations) == 2


def test_seeded_text_repeats_and_the_prefix_is_reused(url: str) -> None:
    prefix = "def add(a, b):\n    ret"
    body = {"input_prefix": prefix, "input_suffix": "\n", "n_predict": 6}
    sampled = {**body, "temperature": 1.0, "seed": 3}
    with httpx.Client(base_url=url, headers=AUTH, timeout=30) as client:
        texts = {client.post("/infill", json=sampled).json()["content"] for _ in range(3)}
        assert len(texts) == 1
        longer = {**body, "input_prefix": prefix + "u"}
        reply = client.post("/infill", json=longer).json()
    assert reply["tokens_cached"] >= reply["tokens_evaluated"] - 4
    assert reply["timings"]["prompt_n"] <= 4
