"""`/openapi.json` describes every route, and the engine answers as it says, whatever is asked.

schemathesis makes requests from the document, right and wrong ones, always the same, and sends
them to a live engine with a real tiny model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi_checks
from starlette.routing import Route

from midfill_engine.config import EngineConfig, ModelConfig, ServerConfig
from midfill_engine.errors import ModelError
from midfill_engine.serve import access
from midfill_engine.serve.admin import ModelAdmin
from midfill_engine.serve.app import build_app
from midfill_engine.serve.load import load_served
from midfill_engine.serve.openapi import keys
from midfill_engine.serve.operations import OPERATIONS
from midfill_engine.serve.registry import Models
from midfill_engine.serve.served import Served
from tests.engine.serve.chat_models import write_chat_model
from tests.engine.serve.conftest import AUTH, KEY, LiveServer


def _nothing_loads(config: EngineConfig) -> Served:
    raise ModelError(f"there is no model {config.model.source!r}")


def test_every_route_is_described_and_no_other(served: Served) -> None:
    models = Models([served])
    admin = ModelAdmin(models, EngineConfig(), _nothing_loads, has_key=True)
    app = build_app(models, host="127.0.0.1", api_key=KEY, admin=admin)
    routes = [route for route in app.routes if isinstance(route, Route)]
    assert len(routes) == len(app.routes)
    found = {key for route in routes for key in keys(route)}
    assert found - set(OPERATIONS) == set(), "add an entry to serve/operations"
    assert set(OPERATIONS) - found == set(), "no such route"
    open_paths = {key.partition(" ")[2] for key, told in OPERATIONS.items() if not told.needs_key}
    assert open_paths == access.OPEN_PATHS


def test_the_page_names_every_route() -> None:
    page = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text("utf-8")
    for key in OPERATIONS:
        path = re.sub(r"{\w+:path}", "{id}", key.partition(" ")[2])
        assert f"{path}`" in page or f" {path} " in page, f"docs/protocol.md lacks {path}"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A live engine; its only model is tiny, chats, and cannot be taken out."""
    folder = write_chat_model(tmp_path_factory.mktemp("model") / "tiny")
    model = ModelConfig(source=str(folder), device="cpu", max_context=96)
    models = Models([load_served(EngineConfig(model=model))])
    admin = ModelAdmin(models, EngineConfig(), _nothing_loads, has_key=True)
    live = LiveServer(models, ServerConfig(port=0), admin)
    yield live.url
    live.stop()
    models.close()


_CHECKS: list[Any] = [
    cast("Any", checks).not_a_server_error,
    cast("Any", openapi_checks).status_code_conformance,
    cast("Any", openapi_checks).content_type_conformance,
    cast("Any", openapi_checks).response_schema_conformance,
]
_DESCRIBED = sorted(set(OPERATIONS) - {"GET /lease"})  # which never ends


@pytest.fixture(scope="module")
def api(url: str) -> Any:  # noqa: ANN401  # generic over what it is read from
    document = httpx.get(f"{url}/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    return schemathesis.openapi.from_dict(document)


@pytest.mark.parametrize("key", _DESCRIBED)
def test_every_answer_is_documented(api: Any, url: str, key: str) -> None:  # noqa: ANN401
    method, _, path = key.partition(" ")
    operation = api[re.sub(r":path}", "}", path)][method]
    session = requests.Session()
    modes = _MODES if method == "POST" else _MODES[:1]

    @settings(
        max_examples=15 if method == "POST" else 3,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(
        case=st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes)),
        reaches=st.booleans(),
    )
    def ask(case: Any, reaches: bool) -> None:  # noqa: ANN401
        if reaches:
            _make_reach(case)
        response = case.call(base_url=url, headers=AUTH, session=session)
        case.validate_response(response, checks=_CHECKS, headers=AUTH)

    with session:
        ask()
        if key in _RIGHT:
            values = {"model_id": "tiny"} if "{model_id" in path else {}
            case = operation.Case(body=_RIGHT[key], path_parameters=values)
            response = case.call(base_url=url, headers=AUTH, session=session)
            assert response.status_code == 200
            case.validate_response(response, checks=_CHECKS, headers=AUTH)


def _make_reach(case: Any) -> None:  # noqa: ANN401
    """Send a case to the model that is there, without what random values mostly get wrong."""
    if "model_id" in (case.path_parameters or {}):
        case.path_parameters["model_id"] = "tiny"
    sent: object = case.body
    if isinstance(sent, dict):
        body = cast("dict[str, object]", sent)
        for name in ("model", "tools", "tool_choice", "response_format", "logit_bias"):
            body.pop(name, None)
        if "messages" in body:
            body["messages"] = [{"role": "user", "content": "x"}]


_RIGHT: dict[str, dict[str, object]] = {
    key: {"messages": [{"role": "user", "content": "x"}]} if "chat" in key else {"prompt": "x"}
    for key in _DESCRIBED
    if "completions" in key or key == "POST /chat_tokenize"
}
"""A right body where random ones are mostly refused, so that a right answer is seen too."""


_MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
