"""llama.cpp's routes as its editor plugins use them: bodies as llama.vim and llama.vscode send.

Observed in ggml-org/llama.vim (autoload/llama.vim, January 2026) and ggml-org/llama.vscode
(src/llama-server.ts, v0.0.63).
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import sse_values
from tests.engine.serve.fakes import FakeEngine, finished, token

VIM: dict[str, Any] = {
    "id_slot": 0,
    "input_prefix": "def f():\n",
    "input_suffix": "\nprint(f())\n",
    "input_extra": [{"text": "x = 1\n", "time": [1, 2], "filename": "a.py"}],
    "prompt": "    ret",
    "n_predict": 128,
    "stop": [],
    "n_indent": 4,
    "top_k": 40,
    "top_p": 0.90,
    "samplers": ["top_k", "top_p", "infill"],
    "stream": False,
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 1000,
    "response_fields": [
        "content",
        "timings/prompt_n",
        "timings/prompt_ms",
        "timings/prompt_per_token_ms",
        "timings/prompt_per_second",
        "timings/predicted_n",
        "timings/predicted_ms",
        "timings/predicted_per_token_ms",
        "timings/predicted_per_second",
        "truncated",
        "tokens_cached",
    ],
    "model": "",
}
VIM_WARM_UP: dict[str, Any] = {
    "id_slot": 0,
    "input_prefix": "",
    "input_suffix": "",
    "input_extra": [{"text": "x = 1\n", "time": [1, 2], "filename": "a.py"}],
    "prompt": "",
    "n_predict": 0,
    "temperature": 0.0,
    "samplers": [],
    "stream": False,
    "cache_prompt": True,
    "t_max_prompt_ms": 1,
    "t_max_predict_ms": 1,
    "response_fields": [""],
    "model": "",
}
VSCODE: dict[str, Any] = {
    "id_slot": 0,
    "input_prefix": "def f():\n",
    "input_suffix": "\n",
    "input_extra": [{"text": "x = 1\n", "time": 1764100000000, "filename": "a.py"}],
    "prompt": "    ret",
    "n_predict": 128,
    "n_cmpl": 3,
    "top_k": 40,
    "top_p": 0.99,
    "stream": False,
    "samplers": ["top_k", "top_p", "infill"],
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 1000,
    "lora": [{"id": 0, "scale": 0.5}],
}


async def test_llama_vim(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.script = (token("urn 1"), token("\n}"), finished("length", generated=2))
    reply = (await client.post("/infill", json=VIM)).json()
    assert set(reply) == set(VIM["response_fields"])
    assert reply["content"] == "urn 1\n"  # `}` is indented less than n_indent
    assert (reply["truncated"], reply["tokens_cached"]) == (False, 3)
    assert (reply["timings/prompt_n"], reply["timings/predicted_per_second"]) == (4, 500.0)
    assert engine.requests[0].sampling.greedy


async def test_llama_vim_warms_up(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.script = (finished("length", generated=0),)
    reply = await client.post("/infill", json=VIM_WARM_UP)
    assert (reply.status_code, reply.json()) == (200, {})
    assert engine.requests[0].max_new_tokens == 0


async def test_llama_vscode(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    replies = (await client.post("/infill", json=VSCODE)).json()
    assert [(reply["index"], reply["content"]) for reply in replies] == [
        (0, "hi"),
        (1, "hi"),
        (2, "hi"),
    ]
    assert engine.leaders == [None, 1, 1]
    shown = replies[0]  # in its status bar
    assert shown["generation_settings"]["n_ctx"] == 200
    assert shown["timings"]["prompt_per_second"] > 0
    assert shown["tokens_cached"] == 3
    one = (await client.post("/infill", json={**VSCODE, "n_cmpl": 1})).json()
    assert one["content"] == "hi"


async def test_what_llama_vscode_reads_besides(client: httpx.AsyncClient) -> None:
    props = (await client.get("/props", params={"model": "owner/tiny", "autoload": "false"})).json()
    assert props["default_generation_settings"]["n_ctx"] == 200
    assert (await client.get("/v1/props")).json() == props
    assert (await client.get("/props", params={"model": "none"})).status_code == 404
    models = (await client.get("/v1/models")).json()["data"]
    assert models[0]["meta"]["n_ctx"] == 200
    assert (await client.get("/health")).json() == {"status": "ok"}
    assert (await client.get("/v1/health")).json() == {"status": "ok"}


async def test_slots(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.num_open = 5
    slots = (await client.get("/slots")).json()
    assert slots == [{"id": 0, "n_ctx": 200, "speculative": False, "is_processing": True}]


@pytest.mark.parametrize("stream", [False, True])
async def test_time_is_up_once_a_line_has_ended(
    client: httpx.AsyncClient,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    stream: bool,
) -> None:
    clock = iter([1.0, *[9.0] * 20])
    monkeypatch.setattr("midfill_engine.serve.llama_completion.perf_counter", lambda: next(clock))
    engine.script = tuple(token(text) for text in ("a", "b\n", "c"))  # and it would go on
    body = {"input_prefix": "a", "input_suffix": "", "t_max_predict_ms": 500, "stream": stream}
    reply = await client.post("/infill", json=body)
    events = sse_values(reply.text) if stream else [reply.json()]
    assert "".join(event["content"] for event in events) == "ab\n"
    assert [token_id for event in events for token_id in event["tokens"]] == [5, 5]
    assert events[-1]["stop_type"] == "limit"
    assert engine.handles[0].num_aborts == 1


async def test_a_line_that_is_indented_too_little_ends_it(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    engine.script = (token("  a\n"), token("   "), token(" b\n  "), token("c"), token("d"))
    body = {"input_prefix": "a", "input_suffix": "", "n_indent": 4, "stream": True}
    events = sse_values((await client.post("/infill", json=body)).text)
    assert "".join(event["content"] for event in events) == "  a\n    b\n  "
    assert events[-1]["stop_type"] == "limit"
    assert engine.handles[0].num_aborts == 1


async def test_a_failure_is_no_limit(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.script = (token("a"), finished("error", error="out of memory"))
    assert (await client.post("/infill", json=VIM)).status_code == 424


async def test_completion(
    client: httpx.AsyncClient, engine: FakeEngine, tokenizer: Tokenizer
) -> None:
    reply = (await client.post("/completion", json={"prompt": "import"})).json()
    assert reply["content"] == "hi"
    request = engine.requests[0]
    assert list(request.prompt_ids) == tokenizer.encode_with_specials("import")
    assert request.max_new_tokens == 200 - len(request.prompt_ids)
    sampling = request.sampling
    given = (sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p)
    assert given == (0.8, 40, 0.95, 0.05)
    mixed = {"prompt": [1, 9, "x", 10], "n_predict": 2, "temperature": 0}
    assert (await client.post("/completions", json=mixed)).status_code == 200
    x = tokenizer.encode_with_specials("x")[1:]
    assert engine.requests[1].prompt_ids == (1, 9, *x, 10)
    assert engine.requests[1].max_new_tokens == 2
    assert engine.requests[1].sampling.greedy


async def test_options_of_sampling(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    body = {
        "prompt": "a",
        "min_p": 0.1,
        "typical_p": 0.9,
        "presence_penalty": 0.5,
        "logit_bias": [[5, 1.5], [6, False]],
        "top_k": -1,
        "top_p": 1,
    }
    assert (await client.post("/completion", json=body)).status_code == 200
    sampling = engine.requests[0].sampling
    assert (sampling.min_p, sampling.typical_p, sampling.presence_penalty) == (0.1, 0.9, 0.5)
    assert (sampling.top_k, sampling.top_p) == (None, None)
    assert dict(sampling.logit_bias) == {5: 1.5, 6: -100.0}


async def test_detokenize(client: httpx.AsyncClient, tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("import é", bos=False, leading_space=False)
    reply = await client.post("/detokenize", json={"tokens": ids})
    assert reply.json() == {"content": "import é"}


_REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("/completion", {}, "missing field `prompt`"),
    ("/completion", {"prompt": ""}, ""),
    ("/completion", {"prompt": []}, "`prompt` must hold 1 to 16 prompts. Given: 0"),
    ("/completion", {"prompt": ["a"] * 17}, "`prompt` must hold 1 to 16 prompts. Given: 17"),
    ("/completion", {"prompt": ["a", []]}, "`prompt` cannot be empty"),
    ("/completion", {"prompt": [1.5]}, "`prompt` must be a string, token ids and strings, or"),
    ("/completion", {"prompt": [1, ["a"]]}, "`prompt` must be a string, token ids and strings, or"),
    ("/completion", {"prompt": [512]}, "`prompt` must hold token ids below"),
    ("/completion", {"prompt": "a" * 300}, "`prompt` must have less than 200 tokens"),
    ("/completion", {"prompt": [9, "a" * 50_000, "b" * 50_000]}, "Given: at least"),
    ("/completion", {"prompt": "a", "n_cmpl": 9}, "`n_cmpl` must be > 0 and <= 8"),
    ("/completion", {"prompt": "a", "n_probs": 21}, "`n_probs` must be >= 0 and <= 20"),
    ("/completion", {"prompt": "a", "min_p": 2}, "`min_p` must be >= 0.0 and <= 1.0"),
    ("/completion", {"prompt": "a", "logit_bias": [[1]]}, "`logit_bias` must be an object, or"),
    ("/completion", {"prompt": "a", "logit_bias": [[1, "x"]]}, "`logit_bias` must hold numbers"),
    ("/completion", {"prompt": "a", "logit_bias": {"1": True}}, "`logit_bias` must hold numbers"),
    ("/completion", {"prompt": "a", "response_fields": [1]}, "`response_fields` must be a list"),
    ("/completion", {"prompt": "a", "n_indent": -1}, "`n_indent` must be >= 0"),
    ("/completion", {"prompt": "a", "t_max_prompt_ms": "1"}, "`t_max_prompt_ms` must be an int"),
    ("/detokenize", {"tokens": "a"}, "`tokens` must be a list of token ids"),
    ("/detokenize", {"tokens": [True]}, "`tokens` must be a list of token ids"),
    ("/detokenize", {"tokens": [-1]}, "`tokens` must hold token ids below"),
]


@pytest.mark.parametrize(("path", "body", "message"), _REFUSED)
async def test_wrong_values_are_named(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], message: str
) -> None:
    reply = await client.post(path, json=body)
    if body == {"prompt": ""}:  # only the token that begins a sequence
        assert reply.status_code == 200
        return
    assert reply.status_code == 422
    error = reply.json()["error"]
    assert (error["code"], message in error["message"]) == (422, True)
