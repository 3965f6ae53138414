"""How the models of one engine share its memory, with the real loader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from midfill_engine.config import EngineConfig, ModelConfig, ServerConfig
from midfill_engine.exec.memory import MemoryPlan
from midfill_engine.serve.admin import ModelAdmin
from midfill_engine.serve.load import load_all, load_served, with_share
from midfill_engine.serve.registry import Models
from midfill_engine.serve.served import Served
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import LiveServer, client_of_models, serve_with
from tests.engine.serve.fakes import FakeEngine
from tests.engine.serve.loading import Loading


async def test_a_later_model_gets_what_the_others_leave(tokenizer: Tokenizer) -> None:
    load = Loading(tokenizer)

    def served(name: str, process: int) -> Served:
        plain = serve_with(FakeEngine(), tokenizer, name=name)
        memory = MemoryPlan(process, weights=50, slot=10, num_slots=3, reserve=20)
        return replace(plain, info=replace(plain.info, memory=memory))

    models = Models([served("a", 7), served("b", 107)])
    assert models.memory_taken == 7 + 2 * 100
    config = EngineConfig(ModelConfig(), others=(ModelConfig(),))
    admin = ModelAdmin(models, config, load, has_key=True)
    async with client_of_models(models, admin=admin) as client:
        await client.post("/models/load", json={"model": "c"})
    assert load.configs[0].model.memory_taken == 207
    assert load.configs[0].model.memory_share == 1 / 2
    bounded = with_share(config, ModelConfig(max_memory_mb=1), 207, 1)
    assert (bounded.model.memory_share, bounded.model.memory_taken) == (1.0, 207)


def test_several_models_share_what_there_is(tiny_folder: Path) -> None:
    tiny = ModelConfig(source=str(tiny_folder), device="cpu", max_memory_mb=2**20)
    models = [replace(tiny, name=name) for name in "abc"]
    loaded = load_all(EngineConfig(models[0], others=tuple(models[1:])), load_served)
    try:
        plans = [served.info.memory for served in loaded]
        assert all(plan is not None for plan in plans)
        first, second, third = (plan for plan in plans if plan is not None)
    finally:
        for served in loaded:
            served.engine.close()
    whole = 2**40
    assert first.limit == first.process + (whole - first.process) // 3
    assert second.process == first.total
    assert second.limit == first.total + (whole - first.total) // 2
    assert (third.process, third.limit) == (second.total, whole)


def test_a_real_model_comes_and_goes(tiny_folder: Path, tmp_path: Path) -> None:
    """With the real loader: the same weights under another name give the same text."""
    source = str(tiny_folder)
    first = ModelConfig(source=source, name="a", device="cpu", max_context=64)
    config = EngineConfig(model=first, others=(replace(first, name="b"),))
    models = Models(load_all(config, load_served))
    admin = ModelAdmin(models, config, load_served, has_key=True)
    live = LiveServer(models, ServerConfig(port=0), admin)
    body = {"prompt": "x =", "temperature": 0, "max_tokens": 5}
    try:
        with live.client() as client:
            texts = [_text(client, {**body, "model": name}) for name in ("a", "b")]
            loaded = client.post("/models/load", json={"model": source, "name": "c"})
            assert loaded.json() == {"success": True, "model": "c"}, loaded.text
            client.post("/models/unload", json={"model": "a"})
            texts += [_text(client, {**body, "model": name}) for name in ("b", "c")]
            assert len(set(texts)) == 1
            wrong = client.post("/models/load", json={"model": str(tmp_path), "name": "d"})
            assert wrong.status_code == 422
    finally:
        live.stop()
        models.close()


def _text(client: httpx.Client, body: dict[str, Any]) -> str:
    text: str = client.post("/v1/completions", json=body).json()["choices"][0]["text"]
    return text
