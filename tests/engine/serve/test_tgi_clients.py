"""The PRO API's own client, and the announcement's curl lines, on models of the announced names.

Real sockets and tiny random weights; what the replies say of tokens is compared with transformers.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import torch
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import ValidationError

from midfill_engine.config import EngineConfig, ModelConfig
from midfill_engine.serve.load import load_served
from midfill_engine.serve.served import Served
from tests.engine.serve.conftest import AUTH, KEY, LiveServer
from tests.engine.tiny import tiny_reference

CHAT = "meta-llama/Llama-2-70b-chat-hf"
CODE = "codellama/CodeLlama-13b-hf"
INSTRUCT = "codellama/CodeLlama-70b-Instruct-hf"
PROMPT = "def add(a, b):"

_LLAMA = "https://api-inference.huggingface.co/models/meta-llama/Llama-2-70b-chat-hf"
_CODE = "https://api-inference.huggingface.co/models/codellama/CodeLlama-70b-Instruct-hf"
_SAMPLED = '"parameters": {"temperature": 0.7, "max_new_tokens": 100}'
_REST = """' \\
    -H "Content-Type: application/json" \\
    -H "Authorization: Bearer <YOUR_TOKEN>"
"""
_INPUTS = '"inputs": "In a surprising turn of events, "'
CURL_LINES = (
    f"""curl {_LLAMA} \\
    -X POST \\
    -d '{{{_INPUTS}}}{_REST}""",
    f"""curl {_LLAMA} \\
    -X POST \\
    -d '{{{_INPUTS}, {_SAMPLED}}}{_REST}""",
    """curl -X POST -H "x-use-cache: 0" -H "Authorization: Bearer YOUR_TOKEN" """
    f""""{_CODE}" -H "Content-Type: application/json" """
    r"""-d '{"inputs":"<s>Source: system\n\n You are a helpful and honest code assistant """
    r"""<step> Source: user\n\n Print a hello world in Python <step> """
    r"""Source: assistant\nDestination: user\n\n", "parameters": {"stop": ["<step>", "</s>"]}}' """,
    f"""curl -N {_LLAMA} \\
    -X POST \\
    -d '{{{_INPUTS}, {_SAMPLED}}}{_REST}""",
)
"""Letter for letter; only their common parts have names."""


@pytest.fixture(scope="module")
def models(tiny_folder: Path) -> Iterator[list[Served]]:
    loaded = [
        load_served(
            EngineConfig(
                model=ModelConfig(
                    source=str(tiny_folder),
                    name=name,
                    device="cpu",
                    dtype="float32",
                    max_memory_mb=2048,
                )
            )
        )
        for name in (CHAT, CODE, INSTRUCT)
    ]
    yield loaded
    for served in loaded:
        served.engine.close()


@pytest.fixture
def url(models: list[Served], start_server: Callable[..., LiveServer]) -> str:
    return start_server(*models).url


def client_of(url: str, name: str | None = None, **options: Any) -> Any:  # noqa: ANN401  # below
    """The client, untyped: its overloads ask for literals that tests with tables lack."""
    model = url if name is None else f"{url}/models/{name}"
    return InferenceClient(model=model, token=KEY, **options)


@pytest.mark.parametrize("line", CURL_LINES)
def test_curl_lines_as_announced(url: str, line: str) -> None:
    """But for the host and the key."""
    if shutil.which("curl") is None:
        pytest.fail("curl not found: install it (Debian: apt install curl)")
    line = line.replace("https://api-inference.huggingface.co", url)
    line = line.replace("<YOUR_TOKEN>", KEY).replace("YOUR_TOKEN", KEY)
    found = subprocess.run(["bash", "-c", line], capture_output=True, check=True, timeout=60)
    (reply,) = json.loads(found.stdout)
    assert list(reply) == ["generated_text"]
    prompt = "<s>Source: system\n\n" if "Source" in line else "In a surprising turn of events, "
    assert reply["generated_text"].startswith(prompt)


def test_infilling_as_announced(url: str) -> None:
    """What the engine infills on its own route; the end of the middle never shows."""
    prefix, suffix = 'def remove_non_ascii(s: str) -> str:\n    """ ', "\n    return result"
    prompt = f"<PRE> {prefix} <SUF>{suffix} <MID>"
    client = client_of(url, CODE)
    infilled = client.text_generation(prompt, max_new_tokens=60, return_full_text=False)
    body = {"input_prefix": prefix, "input_suffix": suffix, "order": "psm", "n_predict": 60}
    body |= {"model": CODE}
    reply = httpx.post(f"{url}/infill", json=body, headers=AUTH, timeout=30).json()
    assert infilled == reply["content"]
    assert "<EOT>" not in infilled


def test_use_cache_as_announced(url: str) -> None:
    client = client_of(url, CHAT)
    first = client.text_generation("In a surprising turn of events, ", do_sample=True)
    again = client.text_generation("In a surprising turn of events, ", do_sample=True)
    assert again == first
    client.headers["x-use-cache"] = "0"
    others = {
        client.text_generation("In a surprising turn of events, ", do_sample=True) for _ in range(4)
    }
    assert len(others) > 1


def plain(token: Any) -> tuple[int, str, float, bool]:  # noqa: ANN401  # of three classes
    """A token, whichever of the client's classes it is of."""
    fields = cast("dict[str, Any]", token if isinstance(token, dict) else vars(token))
    return fields["id"], fields["text"], fields["logprob"], fields["special"]


def reference(prompt_ids: list[int], answer_ids: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Transformers' log-probabilities of what follows each token of the prompt and the answer."""
    ids = [*prompt_ids, *answer_ids]
    with torch.no_grad():
        logits = tiny_reference("codellama")(torch.tensor([ids])).logits[0]
    logprobs = torch.log_softmax(logits.double(), -1)
    return logprobs[: len(prompt_ids) - 1], logprobs[len(prompt_ids) - 1 : -1]


def test_details_are_transformers_numbers(url: str) -> None:
    client = client_of(url, CODE)
    output = client.text_generation(
        PROMPT,
        details=True,
        decoder_input_details=True,
        top_n_tokens=3,
        max_new_tokens=6,
        return_full_text=False,
    )
    details = output.details
    assert details is not None
    assert (details.finish_reason, details.generated_tokens, details.seed) == ("length", 6, None)
    prompt_ids = [token.id for token in details.prefill]
    answer_ids = [token.id for token in details.tokens]
    before, behind = (row.numpy() for row in reference(prompt_ids, answer_ids))
    assert "".join(token.text for token in details.prefill[1:]) == PROMPT
    assert details.prefill[0].logprob is None
    for idx, token in enumerate(details.prefill[1:]):
        assert token.logprob == pytest.approx(float(before[idx, token.id]), abs=2e-4)
    assert answer_ids == list(behind.argmax(-1))
    assert details.top_tokens is not None
    for row, token, top in zip(behind, details.tokens, details.top_tokens, strict=True):
        assert token.logprob == pytest.approx(float(row[token.id]), abs=2e-4)
        best = (-row).argsort(kind="stable")[:3]
        assert [plain(other)[0] for other in top] == list(best)
        told = [plain(other)[2] for other in top]
        assert told == pytest.approx(list(row[best]), abs=2e-4)
    assert output.generated_text == "".join(t.text for t in details.tokens if not t.special)


def test_best_of(url: str) -> None:
    client = client_of(url, CODE)
    output = client.text_generation(
        PROMPT, details=True, best_of=2, do_sample=True, max_new_tokens=8, return_full_text=False
    )
    details = output.details
    assert details is not None
    assert details.best_of_sequences is not None
    (other,) = details.best_of_sequences

    def mean(tokens: list[Any]) -> float:
        return float(sum(token.logprob for token in tokens)) / len(tokens)

    assert mean(details.tokens) >= mean(other.tokens)
    for seed, text in ((details.seed, output.generated_text), (other.seed, other.generated_text)):
        alone = client.text_generation(
            PROMPT, do_sample=True, seed=seed, max_new_tokens=8, return_full_text=False
        )
        assert alone == text


@pytest.mark.parametrize(
    "parameters",
    [
        {"do_sample": True, "seed": 3},
        {"temperature": 0.5, "top_k": 10, "top_p": 0.9, "typical_p": 0.95, "seed": 2**53},
        {"repetition_penalty": 1.3, "frequency_penalty": 0.5},
        {"watermark": True},
        {"stop": ["e", "a", "("]},
        {"truncate": 4, "return_full_text": True},
    ],
)
def test_streams_say_what_replies_say(url: str, parameters: dict[str, Any]) -> None:
    client = client_of(url, headers={"x-use-cache": "0"})
    asked: dict[str, Any] = {"max_new_tokens": 12, "return_full_text": False, **parameters}
    whole = client.text_generation(PROMPT, details=True, top_n_tokens=2, **asked)
    stream = client.text_generation(PROMPT, details=True, stream=True, top_n_tokens=2, **asked)
    events = list(stream)
    assert whole.details is not None
    assert whole.details.top_tokens is not None
    expected = [plain(token) for token in whole.details.tokens]
    assert [plain(event.token) for event in events] == expected
    for event, top in zip(events, whole.details.top_tokens, strict=True):
        assert event.top_tokens is not None
        assert [plain(token) for token in event.top_tokens] == [plain(token) for token in top]
    assert [event.index for event in events] == list(range(1, len(events) + 1))
    assert all(event.generated_text is None for event in events[:-1])
    assert events[-1].generated_text == whole.generated_text
    assert events[-1].details is not None
    assert events[-1].details.finish_reason == whole.details.finish_reason
    assert events[-1].details.seed == whole.details.seed
    pieces = client.text_generation(PROMPT, stream=True, **asked)
    assert "".join(pieces) == "".join(e.token.text for e in events if not e.token.special)


async def test_the_asynchronous_client(url: str) -> None:
    untyped: Any = AsyncInferenceClient
    async with untyped(model=f"{url}/models/{CODE}", token=KEY) as client:
        asked: dict[str, Any] = {"max_new_tokens": 6, "return_full_text": False}
        text = await client.text_generation(PROMPT, **asked)
        details = await client.text_generation(
            PROMPT, details=True, decoder_input_details=True, **asked
        )
        assert details.generated_text == text
        assert details.details is not None
        assert details.details.prefill[0].logprob is None
        pieces = [
            piece async for piece in await client.text_generation(PROMPT, stream=True, **asked)
        ]
        assert "".join(pieces) == text
        events = [
            event
            async for event in await client.text_generation(
                PROMPT, stream=True, details=True, **asked
            )
        ]
        assert events[-1].generated_text == text
        assert events[-1].details is not None


def test_refusals_are_the_clients_own_errors(url: str) -> None:
    client = client_of(url)
    with pytest.raises(ValidationError, match="you must use sampling when `best_of` is > 1"):
        client.text_generation(PROMPT, best_of=2)
    with pytest.raises(ValidationError, match="not supported when streaming tokens"):
        list(client.text_generation(PROMPT, details=True, decoder_input_details=True, stream=True))
