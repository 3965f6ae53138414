"""Grammars over the wire: a tiny random model answers as TGI's, llama.cpp's and our fields ask."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from huggingface_hub import InferenceClient

from midfill_engine.config import EngineConfig, ModelConfig
from midfill_engine.errors import ValidationError
from midfill_engine.exec.grammar_source import GrammarSource
from midfill_engine.serve.grammar_request import llama_grammar, response_format, tgi_grammar
from midfill_engine.serve.load import load_served
from midfill_engine.serve.parse import Fields
from midfill_engine.serve.served import Served
from tests.engine.serve.conftest import KEY, LiveServer, sse_values
from tests.engine.serve.fakes import FakeEngine

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 4},
        "size": {"enum": ["small", "large"]},
        "ok": {"type": "boolean"},
    },
    "required": ["name", "size", "ok"],
    "additionalProperties": False,
}
REGEX = "[0-9]{2}:(am|pm)"


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Iterator[Served]:
    model = ModelConfig(source=str(tiny_folder), device="cpu", max_context=512)
    served = load_served(EngineConfig(model=model))
    yield served
    served.engine.close()


@pytest.fixture
def server(tiny: Served, start_server: Callable[..., LiveServer]) -> LiveServer:
    return start_server(tiny)


@pytest.mark.parametrize(
    "grammar",
    [
        {"type": "json", "value": SCHEMA},
        {"type": "json", "value": json.dumps(SCHEMA)},
        {"type": "json_object", "value": SCHEMA},
        {"type": "json_schema", "value": {"name": "thing", "schema": SCHEMA}},
    ],
    ids=range(4),
)
def test_json_of_a_schema(server: LiveServer, grammar: dict[str, Any]) -> None:
    client: Any = InferenceClient(model=server.url, token=KEY)
    for seed in range(4):
        reply = client.text_generation(
            "def f():",
            grammar=grammar,
            details=True,
            max_new_tokens=200,
            do_sample=True,
            temperature=0.8,
            seed=seed,
            return_full_text=False,
        )
        assert reply.details.finish_reason == "eos_token"
        jsonschema.validate(json.loads(reply.generated_text), SCHEMA)


def test_a_regex_streamed(server: LiveServer) -> None:
    parameters = {"grammar": {"type": "regex", "value": REGEX}, "max_new_tokens": 40}
    with server.client() as client:
        reply = client.post("/generate_stream", json={"inputs": "x", "parameters": parameters})
        events = sse_values(reply.text)
        short = {**parameters, "max_new_tokens": 2, "details": True}
        cut = client.post("/generate", json={"inputs": "x", "parameters": short}).json()
    assert re.fullmatch(REGEX, events[-1]["generated_text"])
    assert events[-1]["details"]["finish_reason"] == "eos_token"
    assert (
        "".join(e["token"]["text"] for e in events if not e["token"]["special"])
        == (events[-1]["generated_text"])
    )
    assert cut["details"]["finish_reason"] == "length"
    assert events[-1]["generated_text"].startswith(cut["generated_text"])


@pytest.mark.parametrize("heal", [True, False])
def test_infill(server: LiveServer, heal: bool) -> None:
    body = {"input_prefix": "x = self.pri", "input_suffix": "\n", "n_predict": 60, "heal": heal}
    with server.client() as client:
        for text in ('root ::= "nt" [a-c]{3} | "me"', "root ::= [0-9]+ tail\ntail ::= [;]"):
            reply = client.post("/infill", json={**body, "grammar": text}).json()
            assert reply["stop_type"] in ("eos", "limit")
            assert re.fullmatch(r"nt[abc]{3}|me|[0-9]+;?", reply["content"])
        reply = client.post(
            "/infill", json={**body, "n_predict": 200, "json_schema": SCHEMA}
        ).json()
        assert reply["stop_type"] == "eos"
        jsonschema.validate(json.loads(reply["content"]), SCHEMA)


async def test_infill_refusals(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    body = {"input_prefix": "x", "input_suffix": ""}
    for fields, told in (
        ({"grammar": 'root ::= "a"', "json_schema": SCHEMA}, "exclude each other"),
        ({"grammar": "root ::= ["}, "grammar is not valid: Unexpected end of input at line 1"),
        ({"grammar": 3}, "`grammar` must be a string"),
        ({"json_schema": {"type": "frob"}}, "json_schema is not valid: Invalid type: frob"),
        ({"json_schema": 3}, "json_schema is not valid: a JSON schema must be an object"),
    ):
        reply = await client.post("/infill", json={**body, **fields})
        assert reply.status_code == 422
        assert told in reply.json()["error"]["message"]
    assert not engine.requests


_FORMATS: list[tuple[dict[str, Any] | None, GrammarSource | None]] = [
    (None, None),
    ({"type": "text"}, None),
    ({"type": "json_object"}, GrammarSource.json_object()),
    ({"type": "json_object", "value": SCHEMA}, GrammarSource.json_schema(SCHEMA)),
    ({"type": "json", "value": json.dumps(SCHEMA)}, GrammarSource.json_schema(SCHEMA)),
    ({"type": "regex", "value": REGEX}, GrammarSource("regex", REGEX)),
    (
        {"type": "json_schema", "json_schema": {"name": "t", "strict": True, "schema": SCHEMA}},
        GrammarSource.json_schema(SCHEMA),
    ),
    (
        {"type": "json_schema", "value": {"name": "t", "schema": SCHEMA}},
        GrammarSource.json_schema(SCHEMA),
    ),
]


@pytest.mark.parametrize(("value", "source"), _FORMATS, ids=range(len(_FORMATS)))
def test_response_format(value: dict[str, Any] | None, source: GrammarSource | None) -> None:
    assert response_format(Fields({"response_format": value})) == source


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("json", "`response_format` must be an object"),
        ({"type": "xml"}, "response_format is not valid: `type` must be"),
        ({"type": "json_schema"}, "`json_schema` must be an object with `schema`"),
        ({"type": "json_schema", "json_schema": {"schema": [1]}}, "must be an object"),
    ],
)
def test_response_formats_that_are_refused(value: object, told: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(told)):
        response_format(Fields({"response_format": value}))


def test_absent_grammars() -> None:
    assert tgi_grammar(Fields({})) is None
    assert llama_grammar(Fields({"grammar": " "})) == ("grammar", None)


def test_a_lone_surrogate_is_no_way_past_the_library() -> None:
    fields = Fields({"grammar": {"type": "regex", "value": "a\ud800"}})
    assert tgi_grammar(fields) == GrammarSource("regex", "a\ufffd")
