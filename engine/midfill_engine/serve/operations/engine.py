"""What the engine tells of itself and its models, and how models come and go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from midfill_engine.config import Dtype
from midfill_engine.serve.operations.schema import (
    ANY,
    COUNT,
    FLAG,
    TEXT,
    Operation,
    array,
    choice,
    integer,
    obj,
    optional,
)

_INFO = obj(
    "model_id",
    "max_total_tokens",
    "version",
    "midfill",
    model_id=TEXT,
    max_total_tokens=COUNT,
    max_concurrent_requests=COUNT,
    version=TEXT,
    midfill=obj("architecture", "device", "dtype", architecture=TEXT, device=TEXT, dtype=TEXT),
    models=obj(),
)
_ENTRY = obj(
    "id", "object", id=TEXT, object=choice("model"), created=COUNT, owned_by=TEXT, meta=obj()
)
_STATUS = obj("value", value=choice("loaded", "loading", "unloading"))
_LISTED = obj(
    "id", "object", "status", id=TEXT, object=choice("model"), owned_by=TEXT, status=_STATUS
)
_ADMITTED = {
    "model": {"type": "string", "minLength": 1, "description": "a folder or a Hub id"},
    "name": optional({"type": "string", "minLength": 1}),
    "default": optional(FLAG),
    "dtype": optional(choice(*get_args(Dtype))),
    "fim_family": optional(TEXT),
    "max_context": optional(integer(1, 2**31 - 1)),
}
_DONE = {"success": FLAG, "model": TEXT}


def _open(summary: str, reply: Mapping[str, object], *errors: int) -> Operation:
    return Operation(summary, reply, picks_model=False, needs_key=False, errors=errors)


_HEALTH = _open("Whether requests can be answered", obj("status", status=choice("ok")), 503)

OPERATIONS: Mapping[str, Operation] = {
    "GET /health": _HEALTH,
    "GET /v1/health": _HEALTH,
    "GET /ping": _HEALTH,
    "GET /": _HEALTH,
    "GET /metrics": Operation(
        "Counts and times in Prometheus' text format",
        TEXT,
        plain=True,
        picks_model=False,
        needs_key=False,
    ),
    "GET /info": _open("The default model in TGI's words, and every model in Midfill's", _INFO),
    "GET /openapi.json": _open("This document", obj("openapi", "paths", openapi=TEXT, paths=ANY)),
    "GET /models": _open(
        "Models that are there, that come and that go",
        obj("object", "data", object=choice("list"), data=array(_LISTED)),
    ),
    "GET /v1/models": _open(
        "Models that are there", obj("object", "data", object=choice("list"), data=array(_ENTRY))
    ),
    "GET /v1/models/{model_id:path}": Operation("One model", _ENTRY),
    "GET /models/{model_id:path}/info": Operation("`/info` of one model", _INFO),
    "POST /models/load": Operation(
        "Load a model beside those that are there",
        obj("success", "model", **_DONE),
        body=obj("model", **_ADMITTED),
        picks_model=False,
        errors=(409, 500),
    ),
    "POST /models/unload": Operation(
        "Take a model out; requests that run on it end normally",
        obj("success", "model", "running", **_DONE, running=COUNT),
        body=obj("model", model=TEXT),
        errors=(409,),
    ),
    "GET /proof": Operation(
        "Shows that the engine has its key",
        obj("proof", proof=TEXT),
        picks_model=False,
        needs_key=False,
        query={"nonce": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
        errors=(404, 422),
    ),
    "GET /lease": Operation(
        "A stream that stays open while the client wants the engine to live",
        TEXT,
        streams=None,
        picks_model=False,
    ),
}
