"""What models there are: `GET /models`, `GET /v1/models` and one of them by name.

`/v1/models` is OpenAI's list; `/models` is llama.cpp's, which tells of the models that come and go
too. Both hold what clients read besides: `meta` (llama.cpp), `max_model_len` (vLLM).
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.serve.info import model_info
from midfill_engine.serve.parse import Json
from midfill_engine.serve.registry import Models
from midfill_engine.serve.replies import json_reply
from midfill_engine.serve.served import Served


class ModelRoutes:
    """Lists models; open to everybody, and without any user's text."""

    def __init__(self, models: Models) -> None:
        """Tell of these models, and of those that are on their way."""
        self._models = models

    def routes(self) -> list[Route]:
        """For the app."""
        return [
            Route("/models", self._list, methods=["GET"]),
            Route("/models/{model_id:path}/info", self._info, methods=["GET"]),
            Route("/v1/models", self._openai_list, methods=["GET"]),
            Route("/v1/models/{model_id:path}", self._openai_model, methods=["GET"]),
        ]

    async def _list(self, request: Request) -> Response:
        del request
        coming = self._models.coming
        others = [(name, "unloading") for name in self._models.retired]
        others += [] if coming is None else [(coming.name, "loading")]
        data: list[Json] = [
            {**_entry(served), "status": {"value": "loaded"}} for served in self._models.served
        ]
        data += [
            {"id": name, "object": "model", "owned_by": "midfill", "status": {"value": status}}
            for name, status in others
        ]
        return json_reply({"object": "list", "data": data})

    async def _info(self, request: Request) -> Response:
        return json_reply(model_info(self._models.find(_name_in(request))))

    async def _openai_list(self, request: Request) -> Response:
        del request
        data = [_entry(served) for served in self._models.served]
        return json_reply({"object": "list", "data": data})

    async def _openai_model(self, request: Request) -> Response:
        return json_reply(_entry(self._models.find(_name_in(request))))


def _name_in(request: Request) -> str:
    """The model that the path names; without a name, which elsewhere is the default, no route."""
    name: str = request.path_params["model_id"]
    if not name:
        raise HTTPException(404)
    return name


def _entry(served: Served) -> Json:
    return {
        "id": served.model_id,
        "object": "model",
        "created": served.loaded_at,
        "owned_by": "midfill",
        "max_model_len": served.max_total_tokens,
        "meta": {"n_ctx": served.max_total_tokens, "n_params": served.info.parameters},
    }
