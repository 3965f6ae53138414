"""Loads and unloads models while requests run: `POST /models/load` and `/models/unload`.

The names are those of llama.cpp's router. Loading takes place on a thread; until it has succeeded
nothing changes for anybody. Both routes need a key, on an engine without one too.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.config import Dtype, EngineConfig, ModelConfig
from midfill_engine.errors import Conflict, Forbidden, ModelError
from midfill_engine.serve.coming import Coming, LoadTimes
from midfill_engine.serve.generation import unless_ending
from midfill_engine.serve.load import RESERVED_NAMES, model_id, with_share
from midfill_engine.serve.parse import Fields, invalid, read_object
from midfill_engine.serve.registry import Models
from midfill_engine.serve.replies import json_reply
from midfill_engine.serve.served import Served

logger = logging.getLogger(__name__)

Loader: TypeAlias = Callable[[EngineConfig], Served]
"""Loads `config.model` and starts its engine; slow, raises ModelError."""


class ModelAdmin:
    """The two routes."""

    def __init__(
        self, models: Models, config: EngineConfig, load: Loader, *, has_key: bool
    ) -> None:
        """Change `models`; what a request does not say of a model is taken from `config`."""
        self._models = models
        self._times = LoadTimes()
        self._config = config
        self._load = load
        self._has_key = has_key

    def routes(self) -> list[Route]:
        """For the app."""
        return [
            Route("/models/load", self._load_model, methods=["POST"]),
            Route("/models/unload", self._unload_model, methods=["POST"]),
        ]

    async def _load_model(self, request: Request) -> Response:
        self._check_key()
        fields = Fields(await read_object(request, self._models))
        model = self._model_config(fields)
        default = fields.flag("default", default=False)
        name = _name(model)
        before = self._models.coming
        if before is not None:
            raise Conflict(f"model {before.name} is being loaded: wait until it is there")
        self._models.check_free(name)
        coming = self._models.coming = Coming(name, self._times.estimate(model.source))
        try:
            taken = self._models.memory_taken
            config = with_share(self._config, replace(model, name=name), taken, num_to_come=1)
            served = await unless_ending(self._models.live, _on_thread(self._load, config))
        except ModelError as error:
            raise invalid(str(error)) from None
        else:
            self._times.note(model.source, coming.elapsed_s)
            self._models.add(served, default=default)
        finally:
            self._models.coming = None
            coming.end()
        return json_reply({"success": True, "model": name})

    async def _unload_model(self, request: Request) -> Response:
        self._check_key()
        fields = Fields(await read_object(request, self._models))
        name = fields.needed_text("model")
        running = self._models.retire(name)
        return json_reply({"success": True, "model": name, "running": running})

    def _check_key(self) -> None:
        if not self._has_key:
            raise Forbidden("this engine has no key: start it with one to load and unload models")

    def _model_config(self, fields: Fields) -> ModelConfig:
        """As on the command line, but for what the request says."""
        source = fields.needed_text("model")
        if not source:
            raise invalid("`model` must be a folder or a Hub id")
        most = fields.integer("max_context", low=1, high=2**31 - 1, rule="must be > 0")
        model = self._config.model
        return replace(
            model,
            source=source,
            name=fields.text("name"),
            dtype=_dtype(fields) or model.dtype,
            fim_family=fields.text("fim_family"),
            max_context=most or model.max_context,
        )


def _name(model: ModelConfig) -> str:
    """The name that was asked for, or the place's own."""
    name = model_id(model.source) if model.name is None else model.name
    if not name or name in RESERVED_NAMES:
        reserved = ", ".join(RESERVED_NAMES)
        raise invalid(
            f"`name` must not be empty or one of {reserved}; without it, the folder's own counts"
        )
    return name


def _dtype(fields: Fields) -> Dtype | None:
    named = fields.text("dtype")
    known: tuple[Dtype, ...] = get_args(Dtype)
    if named is None:
        return None
    for dtype in known:
        if dtype == named:
            return dtype
    raise invalid(f"`dtype` must be one of {', '.join(known)}")


async def _on_thread(load: Loader, config: EngineConfig) -> Served:
    """Load on a thread that does not keep the process from ending, as a pool's would."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Served] = loop.create_future()

    def give(served: Served | None, error: BaseException | None) -> None:
        if not future.done():
            if served is not None:
                future.set_result(served)
            elif error is not None:
                future.set_exception(error)
        elif served is not None:
            served.engine.close()

    def run() -> None:
        served: Served | None = None
        failure: BaseException | None = None
        try:
            served = load(config)
        except Exception as error:
            if not isinstance(error, ModelError):
                logger.exception("model %s cannot be loaded", config.model.name)
            failure = error
        try:
            loop.call_soon_threadsafe(give, served, failure)
        except RuntimeError:  # the server has ended meanwhile
            if served is not None:
                served.engine.close()

    threading.Thread(target=run, name="midfill-load", daemon=True).start()
    return await future
