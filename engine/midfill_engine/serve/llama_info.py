"""What llama.cpp's clients read besides: `/props` and `/slots`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.config import version
from midfill_engine.serve.llama_completion import settings
from midfill_engine.serve.llama_options import read_llama_options
from midfill_engine.serve.parse import Fields, Json
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
        ]

    def _served(self, request: Request) -> Served:
        return self._models.find(request.query_params.get("model"))

    async def _props(self, request: Request) -> Response:
        served = self._served(request)
        options = read_llama_options(Fields({}), served, sampled=True)
        params = {**settings(options, served, n_predict=-1), "seed": _ANY_SEED}
        return json_reply(
            {
                "default_generation_settings": {**params, "params": params},
                "total_slots": _num_slots(served),
                "model_alias": served.model_id,
                "model_path": served.model_id,
                "chat_template": "" if served.chat is None else served.chat.template,
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


_ANY_SEED = 2**32 - 1
"""How llama.cpp writes a seed that is chosen anew for every request."""


def _num_slots(served: Served) -> int:
    memory = served.info.memory
    return 1 if memory is None else memory.num_slots


def _name(served: Served, token_id: int | None) -> str:
    return "" if token_id is None else served.tokenizer.token_text(token_id)
