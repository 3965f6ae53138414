"""`GET /openapi.json`: the app's own routes, and what `serve.operations` says of each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from midfill_engine.config import version
from midfill_engine.serve.operations import OPERATIONS
from midfill_engine.serve.operations.schema import ERRORS, TEXT, Operation, Schema, choice, obj
from midfill_engine.serve.parse import Json
from midfill_engine.serve.replies import RouteGroup, json_reply, route_group


class OpenApiRoute(Route):
    """Describes the routes of the app that it is part of."""

    def __init__(self) -> None:
        """For the app."""
        super().__init__("/openapi.json", self._answer, methods=["GET"])
        self._document: Json | None = None

    async def _answer(self, request: Request) -> Response:
        if self._document is None:
            self._document = openapi_document(request.app.routes)
        return json_reply(self._document)


def keys(route: Route) -> list[str]:
    """A route's keys in `OPERATIONS`; HEAD answers as GET does."""
    return [f"{method} {route.path}" for method in sorted(route.methods or ()) if method != "HEAD"]


def openapi_document(routes: Iterable[BaseRoute]) -> Json:
    """The document of these routes, in their order.

    Raises:
        KeyError: one is not described.
    """
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        assert isinstance(route, Route), "only plain routes are described"
        path = _PARAMETER.sub(r"{\1}", route.path)
        for key in keys(route):
            method = key.partition(" ")[0].lower()
            paths.setdefault(path, {})[method] = _operation(key, path, OPERATIONS[key])
    return {
        "openapi": "3.1.0",
        "info": {"title": "midfill-engine", "version": version(), "license": _LICENSE},
        "paths": paths,
        "components": {
            "schemas": {f"{group}_error": schema for group, schema in ERRORS.items()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(key: str, path: str, operation: Operation) -> Json:
    group = route_group(path)
    responses: dict[str, object] = {"200": _reply(operation)}
    for status in operation.statuses:
        responses[str(status)] = _error(status, group)
    told: Json = {
        "operationId": re.sub(r"[^A-Za-z0-9]+", "_", key).strip("_").lower(),
        "summary": operation.summary,
        "tags": [_TAGS[group]],
        "security": [{"key": []}] if operation.needs_key else [],
        "responses": responses,
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", path)
    ]
    parameters += [
        {"name": name, "in": "query", "schema": schema} for name, schema in operation.query.items()
    ]
    if operation.body is not None and operation.picks_model:
        parameters.append({"name": "x-wait-for-model", "in": "header", "schema": _WAIT})
    if parameters:
        told["parameters"] = parameters
    if operation.body is not None:
        content = {"application/json": {"schema": operation.body}}
        told["requestBody"] = {"required": True, "content": content}
    return told


def _reply(operation: Operation) -> Json:
    content: dict[str, dict[str, Schema]] = {}
    if operation.streams is not None:
        content["text/plain" if operation.plain else "application/json"] = {
            "schema": operation.reply
        }
    if operation.streams is not False:
        content["text/event-stream"] = {"schema": _EVENT}
    return {"description": operation.summary, "content": content}


def _error(status: int, group: RouteGroup) -> Json:
    schema: dict[str, Any] = {"$ref": f"#/components/schemas/{group}_error"}
    return {"description": _ERRORS[status], "content": {"application/json": {"schema": schema}}}


_WAIT = choice("true", "false", "1", "0")
_EVENT = obj("data", data=TEXT)
_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")
_LICENSE = {"name": "Apache-2.0"}
_TAGS = {"tgi": "Hugging Face", "openai": "OpenAI", "llama": "llama.cpp and Midfill"}
_ERRORS = {
    401: "The key is missing or wrong",
    403: "The Host or Origin is not ours, or the engine has no key for what needs one",
    404: "No such model",
    409: "What is asked for and what is there exclude each other",
    413: "The body is over the bound",
    415: "The body is compressed, or otherwise encoded",
    422: "A field is missing, malformed, out of range or not supported",
    424: "The engine began and could not go on",
    429: "As many requests as the engine takes wait or run",
    500: "The engine ended the request without an answer",
    501: "Not something that this engine does",
    503: "The model is being loaded, the engine ends, or its thread has died",
}
