"""`/metrics`: every request is counted once, by how it ended."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from midfill_engine.errors import Overloaded
from midfill_engine.metrics import Distribution, EngineLoad
from midfill_engine.serve.registry import Models
from midfill_engine.serve.served import Served
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import LiveServer, client_of, client_of_models, serve_with
from tests.engine.serve.fakes import FakeEngine, finished, token


async def scrape(client: httpx.AsyncClient) -> dict[str, float]:
    """Samples by their names and labels."""
    reply = await client.get("/metrics")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return values(reply.text)


def values(text: str) -> dict[str, float]:
    """As they stand there; the library's own parser adds `_total` to TGI's counters."""
    assert len(list(text_string_to_metric_families(text))) > 10
    found: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, _, value = line.replace('"', "").rpartition(" ")
        assert name not in found, f"{name} is told twice"
        found[name] = float(value)
    return found


async def test_requests_by_how_they_ended(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    for path in ("/generate", "/generate_stream", "/infill", "/v1/completions"):
        body = {"inputs": "x", "input_prefix": "x", "input_suffix": "", "prompt": "x"}
        assert (await client.post(path, json=body)).status_code == 200
    await client.post("/generate", json={"inputs": ""})
    await client.post("/nowhere", json={})
    engine.script = (token("a"), finished("error", error="out of memory"))
    await client.post("/generate", json={"inputs": "x"})
    await client.post("/generate_stream", json={"inputs": "x"})
    engine.script = (finished("aborted"),)
    await client.post("/generate_stream", json={"inputs": "x"})
    engine.refuse = lambda: Overloaded("Model is overloaded")
    await client.post("/generate", json={"inputs": "x"})
    engine.refuse = lambda: RuntimeError("a bug")
    await client.post("/generate", json={"inputs": "x"})
    found = await scrape(client)
    assert found["tgi_request_count"] == 11
    assert found["tgi_request_success"] == 4
    failed = {
        name: value for name, value in found.items() if name.startswith("tgi_request_failure")
    }
    assert failed == {
        "tgi_request_failure{err=validation}": 1,
        "tgi_request_failure{err=not_found}": 1,
        "tgi_request_failure{err=generation}": 2,
        "tgi_request_failure{err=incomplete}": 2,
        "tgi_request_failure{err=overloaded}": 1,
    }
    assert found["tgi_request_duration_count"] == 4
    assert found["tgi_request_inference_duration_sum"] == pytest.approx(4 * 0.006)
    assert found["tgi_request_input_length_sum"] == 4 * 7
    assert found["tgi_request_input_length_bucket{le=8}"] == 4
    assert found["tgi_request_generated_tokens_bucket{le=+Inf}"] == 4
    assert found["midfill_cached_tokens_total"] == 4 * 3


@pytest.mark.parametrize("limits", [{"n_indent": 4}, {"t_max_predict_ms": 1}])
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_a_limit_of_llama_cpp_ends(
    client: httpx.AsyncClient,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    limits: dict[str, int],
    stream: bool,
) -> None:
    """Once in no histogram, since the engine's request is aborted; llama.vim sets both limits."""
    clock = iter(range(20))
    monkeypatch.setattr("midfill_engine.serve.llama_completion.perf_counter", lambda: next(clock))
    engine.script = (token("    a\n"), token("b"))  # and it would go on
    body = {"input_prefix": "x", "input_suffix": "", "stream": stream, **limits}
    assert (await client.post("/infill", json=body)).status_code == 200
    assert engine.handles[0].num_aborts == 1
    found = await scrape(client)
    assert found["tgi_request_success"] == 1
    assert found["tgi_request_generated_tokens_count"] == 1
    assert found["tgi_request_inference_duration_count"] == 1


async def test_what_the_engine_holds(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.load = EngineLoad(num_waiting=3, num_running=2, max_tokens=512)
    engine.steps.started.update(prefill=2, decode=5)
    for _ in range(4):
        engine.steps.note("decode", 0.001)
    found = await scrape(client)
    assert found["tgi_queue_size"] == 3
    assert found["tgi_batch_current_size"] == 2
    assert found["tgi_batch_current_max_tokens"] == 512
    assert found["tgi_batch_inference_count{method=prefill}"] == 2
    assert found["tgi_batch_inference_success{method=decode}"] == 4
    assert found["tgi_batch_inference_duration_count{method=decode}"] == 4
    assert found["tgi_batch_inference_duration_sum{method=decode}"] == pytest.approx(0.004)


async def test_no_count_falls_when_a_model_goes(tokenizer: Tokenizer) -> None:
    """Once its steps went with it, which a scraper takes for a restart."""
    engines = [FakeEngine(), FakeEngine()]
    for engine in engines:
        engine.steps.started.update(prefill=2, decode=5)
        engine.steps.note("decode", 0.001)
    names = ("going", "staying")
    served = [
        serve_with(engine, tokenizer, name=name)
        for engine, name in zip(engines, names, strict=True)
    ]
    models = Models(served)
    async with client_of_models(models) as client:
        scrapes = [await scrape(client)]
        models.retire("going")
        assert models.retired == ("going",)
        while models.retired:
            scrapes.append(await scrape(client))
        scrapes.append(await scrape(client))
    assert scrapes[0]["tgi_batch_inference_count{method=decode}"] == 10
    assert scrapes[0]["tgi_batch_inference_duration_count{method=decode}"] == 2
    assert all(found == scrapes[0] for found in scrapes)


async def test_open_like_health(served: Served) -> None:
    """And by TGI's other names of it."""
    async with client_of(served) as client:
        for path in ("/metrics", "/health", "/ping", "/"):
            reply = await client.get(path, headers={"authorization": ""})
            assert reply.status_code == 200, path
        assert (await client.post("/", json={}, headers={"authorization": ""})).status_code == 401


async def test_names_and_types_are_tgis(client: httpx.AsyncClient) -> None:
    text = (await client.get("/metrics")).text
    assert "# TYPE tgi_request_count counter\n" in text
    assert "# TYPE tgi_queue_size gauge\n" in text
    assert "# TYPE tgi_request_duration histogram\n" in text
    assert "\ntgi_request_count 0.0\n" in text
    assert "_created" not in text


def test_a_client_that_goes_is_counted(live: LiveServer) -> None:
    body = {"inputs": "x", "parameters": {"max_new_tokens": 10**8}}
    with live.client() as client:
        with client.stream("POST", "/generate_stream", json=body) as reply:
            lines = reply.iter_lines()  # kept: an iterator that goes closes the connection
            next(lines)
            running = values(client.get("/metrics").text)
        found: dict[str, float] = {}
        while "tgi_request_failure{err=dropped}" not in found:
            found = values(client.get("/metrics").text)
    assert running["tgi_batch_current_size"] == 1
    assert running["tgi_batch_current_max_tokens"] > 10**8
    assert running["tgi_batch_inference_count{method=prefill}"] == 1
    assert found["tgi_request_success"] == 0
    assert found["tgi_request_count"] == 1


def test_distributions() -> None:
    values = Distribution((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 7.0):
        values.note(value)
    other = Distribution((1.0, 2.0))
    other.note(2.0)
    other.add(values)
    assert values.cumulative() == [("1", 2.0), ("2", 3.0), ("+Inf", 4.0)]
    assert other.cumulative() == [("1", 2.0), ("2", 4.0), ("+Inf", 5.0)]
    assert other.total == 12.0
