"""Several models in one engine: chosen by path and by field, listed, unknown ones refused."""

from __future__ import annotations

import pytest

from midfill_engine.errors import Conflict, ModelNotFound
from midfill_engine.serve.registry import Models
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import KEY, client_of_models, serve_with
from tests.engine.serve.fakes import FakeEngine


@pytest.fixture
def engines() -> dict[str, FakeEngine]:
    return {"one": FakeEngine(), "owner/two": FakeEngine()}


@pytest.fixture
def models(engines: dict[str, FakeEngine], tokenizer: Tokenizer) -> Models:
    return Models([serve_with(engine, tokenizer, name=name) for name, engine in engines.items()])


_BODIES: list[tuple[str, dict[str, object]]] = [
    ("/infill", {"input_prefix": "a", "input_suffix": "b"}),
    ("/v1/completions", {"prompt": "a"}),
    ("/generate", {"inputs": "a"}),
    ("/generate_stream", {"inputs": "a"}),
    ("/", {"inputs": "a"}),
]


@pytest.mark.parametrize(("path", "body"), _BODIES)
@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("owner/two", "owner/two"),
        ("one", "one"),
        (None, "one"),
        ("", "one"),
        ("dummy", "one"),
        ("tgi", "one"),
        ("default", "one"),
    ],
)
async def test_the_field_chooses(
    models: Models,
    engines: dict[str, FakeEngine],
    path: str,
    body: dict[str, object],
    name: str | None,
    answers: str,
) -> None:
    async with client_of_models(models) as client:
        assert (await client.post(path, json={**body, "model": name})).status_code == 200
    assert {name for name, engine in engines.items() if engine.requests} == {answers}


async def test_the_path_chooses(models: Models, engines: dict[str, FakeEngine]) -> None:
    async with client_of_models(models) as client:
        body = {"inputs": "a", "model": "one"}
        assert (await client.post("/models/owner/two", json=body)).status_code == 200
        body["inputs"] = "another text, which is not remembered"
        assert (await client.post("/models/owner%2Ftwo", json=body)).status_code == 200
        assert (await client.get("/models/owner/two/info")).json()["model_id"] == "owner/two"
    assert not engines["one"].requests
    assert len(engines["owner/two"].requests) == 2


@pytest.mark.parametrize(("path", "body"), _BODIES)
async def test_an_unknown_model_is_404_in_the_dialects_form(
    models: Models, path: str, body: dict[str, object]
) -> None:
    message = "model none is not loaded: this engine has one, owner/two"
    async with client_of_models(models) as client:
        reply = await client.post(path, json={**body, "model": "none"})
        wrong = await client.post(path, json={**body, "model": 3})
    assert reply.status_code == 404
    assert wrong.status_code == 422
    if path == "/v1/completions":
        error = {"type": "not_found_error", "param": "model", "code": "model_not_found"}
        assert reply.json() == {"error": {"message": message, **error}}
    elif path == "/infill":
        llama_error = {"code": 404, "message": message, "type": "not_found_error"}
        assert reply.json() == {"error": llama_error}
    else:
        assert reply.json() == {"error": message, "error_type": "not_found"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/models/none"),
        ("GET", "/models/none/info"),
        ("GET", "/v1/models/none"),
        ("POST", "/models/none/v1/completions"),
        ("POST", "/models/none/v1/chat/completions"),
    ],
)
async def test_an_unknown_model_in_the_path(models: Models, method: str, path: str) -> None:
    """Below `/v1` errors have OpenAI's form, under a model's path too: completions once had not."""
    async with client_of_models(models) as client:
        reply = await client.request(method, path, json={"inputs": "a"})
    assert reply.status_code == 404
    error = reply.json()["error"]
    assert "model none is not loaded" in (error["message"] if "/v1/" in path else error)


async def test_the_lists(models: Models) -> None:
    async with client_of_models(models) as client:
        del client.headers["authorization"]
        openai = (await client.get("/v1/models")).json()
        llama = (await client.get("/models")).json()
        info = (await client.get("/info")).json()
        assert (await client.get("/v1/models/one")).status_code == 401
        client.headers["authorization"] = f"Bearer {KEY}"
        assert (await client.get("/v1/models/owner/two")).json() == openai["data"][1]
    assert openai["object"] == "list"
    assert [entry["id"] for entry in openai["data"]] == ["one", "owner/two"]
    assert openai["data"][0]["object"] == "model"
    assert openai["data"][0]["created"] > 1_600_000_000
    assert [entry["status"] for entry in llama["data"]] == 2 * [{"value": "loaded"}]
    assert info["model_id"] == "one"
    assert list(info["models"]) == ["one", "owner/two"]


async def test_health_tells_of_the_one_that_died(
    models: Models, engines: dict[str, FakeEngine]
) -> None:
    engines["owner/two"].alive = False
    async with client_of_models(models) as client:
        reply = await client.get("/health")
    assert reply.status_code == 503
    assert "the engine thread of owner/two has died" in reply.json()["error"]


async def test_remembered_replies_are_one_models(
    models: Models, engines: dict[str, FakeEngine]
) -> None:
    async with client_of_models(models) as client:
        for _ in range(2):
            for name in engines:
                await client.post(f"/models/{name}", json={"inputs": "a"})
    assert [len(engine.requests) for engine in engines.values()] == [1, 1]


def test_two_of_one_name(tokenizer: Tokenizer) -> None:
    with pytest.raises(Conflict, match="owner/tiny is loaded already"):
        Models([serve_with(FakeEngine(), tokenizer), serve_with(FakeEngine(), tokenizer)])


async def test_the_next_becomes_the_default(models: Models, engines: dict[str, FakeEngine]) -> None:
    assert models.retire("one") == 0
    assert models.default.model_id == "owner/two"
    with pytest.raises(ModelNotFound):
        models.find("one")
    with pytest.raises(Conflict, match="owner/two is the only model"):
        models.retire("owner/two")
    assert engines["owner/two"].alive


async def test_with_another_default(models: Models, tokenizer: Tokenizer) -> None:
    models.add(serve_with(FakeEngine(), tokenizer, name="three"), default=True)
    async with client_of_models(models) as client:
        names = [entry["id"] for entry in (await client.get("/models")).json()["data"]]
        reply = await client.post("/v1/completions", json={"prompt": "a"})
    assert names == ["three", "one", "owner/two"]
    assert reply.json()["model"] == "three"


async def test_a_path_without_a_name_is_no_model(models: Models) -> None:
    """It was answered with the default model's entry."""
    async with client_of_models(models) as client:
        for path in ("/v1/models/", "/models//info"):
            assert (await client.get(path)).status_code == 404
