"""Models come and go while requests run: no request is lost, and memory is given back."""

from __future__ import annotations

import json
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from midfill_engine.config import EngineConfig
from midfill_engine.errors import ModelError
from midfill_engine.metrics import EngineLoad
from midfill_engine.model.source import resolve
from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.serve.admin import ModelAdmin
from midfill_engine.serve.registry import Models
from midfill_engine.serve.served import Served
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.runtime.fake_runner import FakeRunner
from tests.engine.serve.conftest import AUTH, LiveServer, client_of_models, serve_with
from tests.engine.serve.fakes import FakeEngine, finished, token
from tests.engine.serve.loading import EndWatch, Loading

ENDLESS = {"input_prefix": "a", "input_suffix": "b", "n_predict": 10**8, "stream": True}


@pytest.fixture
def load(tokenizer: Tokenizer) -> Iterator[Loading]:
    loading = Loading(tokenizer)
    yield loading
    loading.gate.set()


@pytest.fixture
def watch() -> Iterator[EndWatch]:
    handler = EndWatch()
    logger = logging.getLogger("midfill_engine.serve.registry")
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_a_switch_lets_running_requests_end(
    tokenizer: Tokenizer,
    start_server: Callable[..., LiveServer],
    load: Loading,
    watch: EndWatch,
) -> None:
    old = FakeEngine()
    old.script = None
    live = start_server(serve_with(old, tokenizer), load=load)
    with live.client() as client, client.stream("POST", "/infill", json=ENDLESS) as reply:
        assert old.submitted.wait(30)
        with live.client() as other:
            body = {"model": "owner/new", "default": True}
            switched = other.post("/models/load", json=body).json()
            assert switched == {"success": True, "model": "owner/new"}
            gone = other.post("/models/unload", json={"model": "owner/tiny"}).json()
            assert gone == {"success": True, "model": "owner/tiny", "running": 1}
            listed = other.get("/models").json()["data"]
            assert [(entry["id"], entry["status"]["value"]) for entry in listed] == [
                ("owner/new", "loaded"),
                ("owner/tiny", "unloading"),
            ]
            assert other.post("/v1/completions", json={"prompt": "a"}).status_code == 200
            again = other.post("/infill", json={**ENDLESS, "model": "owner/tiny"})
            assert again.status_code == 404
            old.load = EngineLoad(num_waiting=0, num_running=1, max_tokens=64)
            assert "\ntgi_batch_current_size 1.0\n" in other.get("/metrics").text
        assert old.alive
        handle = old.handles[0]
        handle.sink(token("x"))
        handle.ended = True
        handle.sink(finished("length"))
        events = [json.loads(line[6:]) for line in reply.iter_lines() if line]
    assert [event["content"] for event in events] == ["x", ""]
    assert events[-1]["stop_type"] == "limit"
    assert handle.num_aborts == 0
    assert watch.ended.wait(30)
    assert not old.alive
    assert load.engines[0].requests
    assert len(old.requests) == 1


def test_memory_of_an_unloaded_model_is_given_back(
    tokenizer: Tokenizer,
    start_server: Callable[..., LiveServer],
    load: Loading,
    watch: EndWatch,
) -> None:
    runner = FakeRunner()
    loop = EngineLoop(runner, tokenizer)
    loop.start()
    kept = weakref.ref(runner)
    live = start_server(
        serve_with(loop, tokenizer, name="old"),
        serve_with(FakeEngine(), tokenizer, name="new"),
        load=load,
    )
    del runner, loop
    with live.client() as client:
        body = {**ENDLESS, "n_predict": 3, "model": "old"}
        assert client.post("/infill", json=body).status_code == 200
        client.post("/models/unload", json={"model": "old"})
        assert watch.ended.wait(30)
        assert kept() is None


def test_a_load_holds_nobody_up(
    tokenizer: Tokenizer, start_server: Callable[..., LiveServer], load: Loading
) -> None:
    load.gate.clear()
    live = start_server(serve_with(FakeEngine(), tokenizer), load=load)
    replies: list[httpx.Response] = []

    def ask() -> None:
        with live.client() as client:
            replies.append(client.post("/models/load", json={"model": "b"}))

    thread = threading.Thread(target=ask)
    thread.start()
    assert load.began.wait(30)
    with live.client() as client:
        assert client.post("/v1/completions", json={"prompt": "a"}).status_code == 200
        assert client.get("/models").json()["data"][1]["status"] == {"value": "loading"}
        second = client.post("/models/load", json={"model": "c"})
        assert second.status_code == 409
        assert "model b is being loaded" in second.text
        load.gate.set()
        thread.join(30)
        assert replies[0].json() == {"success": True, "model": "b"}
        assert [entry["id"] for entry in client.get("/v1/models").json()["data"]] == [
            "owner/tiny",
            "b",
        ]


def test_a_shutdown_does_not_wait_for_a_load(
    tokenizer: Tokenizer, start_server: Callable[..., LiveServer], load: Loading
) -> None:
    load.gate.clear()
    live = start_server(serve_with(FakeEngine(), tokenizer), load=load)
    replies: list[httpx.Response] = []

    def ask() -> None:
        with live.client() as client:
            replies.append(client.post("/models/load", json={"model": "b"}))

    thread = threading.Thread(target=ask)
    thread.start()
    assert load.began.wait(30)
    live.stop()
    thread.join(30)
    assert replies[0].status_code == 503
    assert "shutting down" in replies[0].text


@pytest.fixture
def models(tokenizer: Tokenizer) -> Models:
    return Models([serve_with(FakeEngine(), tokenizer)])


def _admin(models: Models, load: Loading, *, has_key: bool = True) -> ModelAdmin:
    return ModelAdmin(models, EngineConfig(), load, has_key=has_key)


_REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("load", {}, 422, "missing field `model`"),
    ("load", {"model": ""}, 422, "`model` must be a folder or a Hub id"),
    ("load", {"model": "owner/tiny"}, 409, "a model named owner/tiny is loaded already"),
    ("load", {"model": "x", "name": "owner/tiny"}, 409, "is loaded already"),
    ("load", {"model": "x", "name": "load"}, 422, "`name` must not be empty or one of"),
    ("load", {"model": "x", "dtype": "int3"}, 422, "`dtype` must be one of auto, float32"),
    ("load", {"model": "x", "max_context": 0}, 422, "`max_context` must be > 0"),
    ("load", {"model": "x", "default": "yes"}, 422, "`default` must be true or false"),
    ("unload", {"model": "none"}, 404, "model none is not loaded"),
    ("unload", {"model": "owner/tiny"}, 409, "owner/tiny is the only model"),
]


@pytest.mark.parametrize(("action", "body", "status", "message"), _REFUSED)
async def test_refusals(
    models: Models,
    load: Loading,
    action: str,
    body: dict[str, Any],
    status: int,
    message: str,
) -> None:
    async with client_of_models(models, admin=_admin(models, load)) as client:
        reply = await client.post(f"/models/{action}", json=body)
    assert reply.status_code == status
    error = reply.json()["error"]
    assert (error["code"], message in error["message"]) == (status, True)
    assert not load.configs


@pytest.mark.parametrize("place", ["~nosuchuser/x", "a" * 5000, "a/\0"])
async def test_a_place_that_no_path_can_have(models: Models, place: str) -> None:
    """Once 500 and a traceback."""

    def load(config: EngineConfig) -> Served:
        raise AssertionError(f"{resolve(config.model.source)} is there")

    admin = ModelAdmin(models, EngineConfig(), load, has_key=True)
    async with client_of_models(models, admin=admin) as client:
        reply = await client.post("/models/load", json={"model": place})
    assert reply.status_code == 422
    assert "is no folder here, nor a Hub id" in reply.json()["error"]["message"]
    assert len(reply.text) < 500


async def test_a_folder_named_as_a_route(models: Models, load: Loading, tmp_path: Path) -> None:
    """Once its model was served by a name that no route could reach."""
    folder = tmp_path / "unload"
    folder.mkdir()
    async with client_of_models(models, admin=_admin(models, load)) as client:
        reply = await client.post("/models/load", json={"model": str(folder)})
        assert reply.status_code == 422
        assert "without it, the folder's own counts" in reply.json()["error"]["message"]
        assert not load.configs
        named = await client.post("/models/load", json={"model": str(folder), "name": "other"})
        assert named.json()["model"] == "other"


async def test_a_model_that_cannot_be_loaded(models: Models, load: Loading) -> None:
    load.error = ModelError("folder x has no config.json: is it a model?")
    async with client_of_models(models, admin=_admin(models, load)) as client:
        reply = await client.post("/models/load", json={"model": "x"})
        listed = (await client.get("/models")).json()["data"]
    assert reply.status_code == 422
    assert "folder x has no config.json" in reply.json()["error"]["message"]
    assert len(listed) == 1


async def test_a_bug_while_loading_is_500(models: Models, load: Loading) -> None:
    load.error = ZeroDivisionError()
    async with client_of_models(models, admin=_admin(models, load)) as client:
        assert (await client.post("/models/load", json={"model": "x"})).status_code == 500
        load.error = None
        assert (await client.post("/models/load", json={"model": "x"})).status_code == 200


async def test_what_a_load_asks_for(models: Models, load: Loading) -> None:
    body = {
        "model": "owner/x@main",
        "dtype": "int8",
        "fim_family": "qwen",
        "max_context": 96,
    }
    async with client_of_models(models, admin=_admin(models, load)) as client:
        assert (await client.post("/models/load", json=body)).json()["model"] == "owner/x"
    model = load.configs[0].model
    assert (model.source, model.name, model.dtype) == ("owner/x@main", "owner/x", "int8")
    assert (model.fim_family, model.max_context) == ("qwen", 96)


@pytest.mark.parametrize("action", ["load", "unload"])
async def test_nobody_without_a_key(models: Models, load: Loading, action: str) -> None:
    async with client_of_models(models, admin=_admin(models, load)) as client:
        headers = {"authorization": "Bearer wrong"}
        reply = await client.post(f"/models/{action}", json={"model": "x"}, headers=headers)
        assert reply.status_code == 401
    admin = _admin(models, load, has_key=False)
    async with client_of_models(models, admin=admin, api_key=None) as client:
        reply = await client.post(f"/models/{action}", json={"model": "x"}, headers=AUTH)
        assert reply.status_code == 403
        assert "this engine has no key" in reply.json()["error"]["message"]
