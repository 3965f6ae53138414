"""What llama.cpp's clients read besides: `/props`, `/slots`, `/v1/health`, `/detokenize`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.config import version
from midfill_engine.serve.llama_request import checked_id
from midfill_engine.serve.parse import Fields, Json, invalid, read_object
from midfill_engine.serve.registry import Models
from midfill_engine.serve.replies import json_reply
from midfill_engine.serve.served import Served


class LlamaInfoRoutes:
    """Tells of one model: the default, or the one that `?model=` names."""

    def __init__(self, models: Models) -> None:
        """Tell of these models."""
        self._models = models

    def routes(self) -> list[Route]:
        """For the app; llama.vscode asks below `/v1` where its address ends so."""
        return [
            Route("/props", self._props, methods=["GET"]),
            Route("/v1/props", self._props, methods=["GET"]),
            Route("/slots", self._slots, methods=["GET"]),
            Route("/detokenize", self._detokenize, methods=["POST"]),
        ]

    def _served(self, request: Request) -> Served:
        return self._models.find(request.query_params.get("model"))

    async def _props(self, request: Request) -> Response:
        served = self._served(request)
        sampling = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05}
        return json_reply(
            {
                "default_generation_settings": {"n_ctx": served.max_total_tokens, **sampling},
                "total_slots": _num_slots(served),
                "model_alias": served.model_id,
                "model_path": served.model_id,
                "chat_template": "",
                "modalities": {"vision": False, "audio": False},
                "bos_token": _name(served, served.tokenizer.bos_id),
                "eos_token": _name(served, min(served.tokenizer.eos_ids, default=None)),
                "build_info": f"midfill-engine {version()}",
                "is_sleeping": False,
            }
        )

    async def _slots(self, request: Request) -> Response:
        served = self._served(request)
        num_slots = _num_slots(served)
        num_busy = min(served.engine.num_open, num_slots)
        slots: list[Json] = [
            {
                "id": idx,
                "n_ctx": served.max_total_tokens,
                "speculative": served.info.speculation,
                "is_processing": idx < num_busy,
            }
            for idx in range(num_slots)
        ]
        return json_reply(slots)

    async def _detokenize(self, request: Request) -> Response:
        body = await read_object(request, self._models)
        served = await self._models.hold_for(request, body)
        value = Fields(body).raw("tokens")
        if not isinstance(value, list):
            raise invalid("`tokens` must be a list of token ids")
        ids: list[int] = []
        for token_id in cast("Sequence[object]", value):
            if isinstance(token_id, bool) or not isinstance(token_id, int):
                raise invalid("`tokens` must be a list of token ids")
            ids.append(checked_id(token_id, "tokens", served))
        return json_reply({"content": served.tokenizer.decode(ids)})


def _num_slots(served: Served) -> int:
    memory = served.info.memory
    return 1 if memory is None else memory.num_slots


def _name(served: Served, token_id: int | None) -> str:
    return "" if token_id is None else served.tokenizer.token_text(token_id)
