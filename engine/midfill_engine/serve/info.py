"""`GET /info`, `GET /health` by its three names: open to all, without any user's text."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.config import version
from midfill_engine.errors import Unavailable
from midfill_engine.exec.memory import MB, MemoryPlan
from midfill_engine.serve.parse import Json
from midfill_engine.serve.registry import Models
from midfill_engine.serve.replies import json_reply
from midfill_engine.serve.served import Served
from midfill_engine.text.families import InfillFamily


class InfoRoutes:
    """What runs here, and whether it still does."""

    def __init__(self, models: Models) -> None:
        """Tell of these models."""
        self._models = models

    def routes(self) -> list[Route]:
        """For the app."""
        return [
            Route("/health", self._health, methods=["GET"]),
            Route("/v1/health", self._health, methods=["GET"]),
            Route("/ping", self._health, methods=["GET"]),
            Route("/", self._health, methods=["GET"]),
            Route("/info", self._info, methods=["GET"]),
        ]

    async def _health(self, request: Request) -> Response:
        del request
        for served in self._models.served:
            failure = served.engine.failure
            if failure is not None:
                told = f"unhealthy: the engine thread of {served.model_id} has died"
                raise Unavailable(f"{told}: {failure}")
        return json_reply({"status": "ok"})

    async def _info(self, request: Request) -> Response:
        del request
        models = {served.model_id: midfill_info(served) for served in self._models.served}
        return json_reply({**model_info(self._models.default), "models": models})


def model_info(served: Served) -> Json:
    """TGI's `Info` of one model, and `midfill` beside it."""
    return {
        "model_id": served.model_id,
        "model_sha": None,
        "model_pipeline_tag": "text-generation",
        "max_concurrent_requests": served.limits.max_concurrent,
        "max_best_of": served.limits.max_best_of,
        "max_stop_sequences": served.limits.max_stops_tgi,
        "max_input_tokens": served.max_total_tokens - 1,
        "max_total_tokens": served.max_total_tokens,
        "validation_workers": 1,
        "max_client_batch_size": served.limits.max_prompts,
        "router": "midfill-engine",
        "version": version(),
        "sha": None,
        "docker_label": None,
        "midfill": midfill_info(served),
    }


def midfill_info(served: Served) -> Json:
    """The part of `/info` that is not TGI's."""
    info = served.info
    return {
        "architecture": info.architecture,
        "parameters": info.parameters,
        "dtype": info.dtype,
        "dtype_reason": info.dtype_reason,
        "device": info.device,
        "attention": info.attention,
        "kernels": info.kernels,
        "speculation": info.speculation,
        "memory": None if info.memory is None else _memory_info(info.memory),
        "chat": "none" if served.chat is None else served.chat.name,
        "infill": None if served.family is None else _infill_info(served.family, served),
        "version": version(),
    }


def _memory_info(memory: MemoryPlan) -> Json:
    return {
        "limit_mb": None if memory.limit is None else memory.limit // MB,
        "process_mb": memory.process // MB,
        "weights_mb": memory.weights // MB,
        "cache_mb": memory.cache // MB,
        "reserve_mb": memory.reserve // MB,
        "slots": memory.num_slots,
    }


def _infill_info(family: InfillFamily, served: Served) -> Json:
    defaults = served.infill_defaults
    return {
        "family": family.name,
        "orders": list(family.orders),
        "order": defaults.order or family.orders[0],
        "heal": defaults.heal,
        "line_start": defaults.line_start,
        "files": family.file_id is not None,
        "max_tokens": served.max_infill_tokens,
    }
