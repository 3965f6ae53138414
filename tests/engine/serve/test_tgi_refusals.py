"""Every refusal of the TGI and PRO routes, in TGI's words."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.engine.serve.fakes import FakeEngine

_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"temperature": 0}, "`temperature` must be strictly positive"),
    ({"temperature": -1.0}, "`temperature` must be strictly positive"),
    ({"temperature": "hot"}, "`temperature` must be a number"),
    ({"temperature": True}, "`temperature` must be a number"),
    ({"temperature": 10**400}, "`temperature` must be a finite number"),
    ({"top_p": 1.0}, "`top_p` must be > 0.0 and < 1.0"),
    ({"top_p": 0}, "`top_p` must be > 0.0 and < 1.0"),
    ({"top_k": 0}, "`top_k` must be strictly positive"),
    ({"top_k": 1.5}, "`top_k` must be an integer"),
    ({"repetition_penalty": 0}, "`repetition_penalty` must be strictly positive"),
    ({"frequency_penalty": 3}, "`frequency_penalty` must be >= -2.0 and <= 2.0"),
    ({"max_new_tokens": 0}, "`max_new_tokens` must be strictly positive"),
    ({"max_new_tokens": 2**40}, "`max_new_tokens` must be <= 2147483647"),
    ({"top_k": 2**40}, "`top_k` must be <= 2147483647"),
    ({"max_new_tokens": True}, "`max_new_tokens` must be an integer"),
    ({"seed": -1}, "`seed` must be >= 0 and fit 64 bits"),
    ({"stop": list("abcde")}, "`stop` supports up to 4 stop sequences. Given: 5"),
    ({"stop_sequences": [1]}, "`stop_sequences` must be a list of strings"),
    ({"stop": [""]}, "`stop` must not hold an empty string"),
    ({"truncate": 0}, "`truncate` must be strictly positive and less than 199. Given: 0"),
    ({"details": 1}, "`details` must be true or false"),
    ({"top_n_tokens": 6}, "`top_n_tokens` must be >= 0 and <= 5. Given: 6"),
    ({"top_n_tokens": True}, "`top_n_tokens` must be an integer"),
    ({"decoder_input_details": "yes"}, "`decoder_input_details` must be true or false"),
    ({"typical_p": 1.0}, "`typical_p` must be > 0.0 and < 1.0"),
    ({"typical_p": 0}, "`typical_p` must be > 0.0 and < 1.0"),
    ({"grammar": "{}"}, "`grammar` must be an object"),
    ({"grammar": {"type": "yaml", "value": ""}}, "grammar is not valid: `type` must be"),
    ({"grammar": {"type": "json", "value": "{"}}, "grammar is not valid: the schema is no JSON"),
    ({"grammar": {"type": "json"}}, "grammar is not valid: a JSON schema must be an object"),
    (
        {"grammar": {"type": "json_schema", "value": {"type": "object"}}},
        "grammar is not valid: `value` must be an object with `schema`",
    ),
    (
        {"grammar": {"type": "json", "value": {"type": "frob"}}},
        "grammar is not valid: Invalid type: frob",
    ),
    ({"grammar": {"type": "regex", "value": "["}}, "grammar is not valid: unclosed"),
    ({"grammar": {"type": "regex", "value": 3}}, "grammar is not valid: `value` of a regex must"),
    ({"grammar": {"type": "regex", "value": "a" * 70_000}}, "grammar is not valid: it has 70000"),
    ({"watermark": 1}, "`watermark` must be true or false"),
    ({"stop": ["a", "b", "c"], "stop_sequences": ["d", "e"]}, "`stop` supports up to 4"),
    ({"adapter_id": "a"}, "`adapter_id` is not supported"),
    (
        {"max_new_tokens": 199},
        "`inputs` tokens + `max_new_tokens` must be <= 200. "
        "Given: 2 `inputs` tokens and 199 `max_new_tokens`",
    ),
]


@pytest.mark.parametrize(("parameters", "message"), _REFUSED)
async def test_wrong_values_are_named(
    client: httpx.AsyncClient, engine: FakeEngine, parameters: dict[str, Any], message: str
) -> None:
    for path in ("/generate", "/generate_stream"):
        reply = await client.post(path, json={"inputs": "x", "parameters": parameters})
        assert reply.status_code == 422
        body = reply.json()
        assert body["error"].startswith(f"Input validation error: {message}")
        assert body["error_type"] == "validation"
    assert not engine.requests


_REFUSED_SAMPLES: list[tuple[dict[str, Any], str, str]] = [
    ({"best_of": 2}, "/generate", "you must use sampling when `best_of` is > 1"),
    ({"best_of": 3, "do_sample": True}, "/generate", "`best_of` must be > 0 and <= 2. Given: 3"),
    ({"best_of": 0}, "/generate", "`best_of` must be > 0 and <= 2. Given: 0"),
    (
        {"best_of": 2, "do_sample": True, "seed": 1},
        "/",
        "`seed` must not be set when `best_of` > 1",
    ),
    (
        {"best_of": 2, "do_sample": True},
        "/generate_stream",
        "`best_of` != 1 is not supported when streaming tokens",
    ),
    (
        {"decoder_input_details": True},
        "/generate_stream",
        "`decoder_input_details` == true is not supported when streaming tokens",
    ),
]


@pytest.mark.parametrize(("parameters", "path", "message"), _REFUSED_SAMPLES)
async def test_what_does_not_go_together(
    client: httpx.AsyncClient,
    engine: FakeEngine,
    parameters: dict[str, Any],
    path: str,
    message: str,
) -> None:
    reply = await client.post(path, json={"inputs": "x", "parameters": parameters})
    assert reply.status_code == 422
    expected = {"error": f"Input validation error: {message}", "error_type": "validation"}
    assert reply.json() == expected
    assert not engine.requests


async def test_a_pro_stream_is_refused_as_a_stream(client: httpx.AsyncClient) -> None:
    parameters = {"decoder_input_details": True}
    body = {"inputs": "x", "stream": True, "parameters": parameters}
    reply = await client.post("/", json=body)
    assert reply.status_code == 422
    assert "when streaming tokens" in reply.json()["error"]
    reply = await client.post("/", json={**body, "options": {"use_cache": 1}})
    assert reply.status_code == 422


_BAD_BODIES: list[tuple[bytes, str]] = [
    (b"{", "not valid JSON"),
    (b'{"inputs": "\xc3("}', "not valid JSON (not utf-8 at byte 12)"),
    (b"\xff\xfe{", "not valid JSON (not utf-16"),
    (b"[" * 100_000, "not valid JSON (nested more than 128 levels deep)"),
    (b'{"inputs": "x", "parameters": {"temperature": NaN}}', "(NaN is no JSON number)"),
    (b'{"inputs": "x", "seed": -Infinity}', "(-Infinity is no JSON number)"),
    (b'{"inputs": "x", "seed": %s}' % (b"9" * 5000), "(a number with too many digits)"),
    (b"[]", "must be a JSON object"),
    (b"{}", "missing field `inputs`"),
    (b'{"inputs": 3}', "`inputs` must be a string"),
    (b'{"inputs": ""}', "`inputs` cannot be empty"),
    (b'{"inputs": "x", "parameters": []}', "`parameters` must be an object"),
    (b'{"inputs": "%s"}' % (b"x" * 300), "`inputs` must have less than 199 tokens. Given: 301"),
    (b'{"inputs": "%s"}' % (b"x" * 100_000), "`inputs` must have less than 200 tokens. Given: at"),
]


@pytest.mark.parametrize(("body", "message"), _BAD_BODIES)
async def test_wrong_bodies_are_refused(
    client: httpx.AsyncClient, body: bytes, message: str
) -> None:
    for path in ("/generate", "/"):
        if path == "/" and "less than 199" in message:
            message = "`inputs` tokens + `max_new_tokens` must be <= 200"
        reply = await client.post(path, content=body)
        assert reply.status_code == 422
        assert message in reply.json()["error"]
        assert reply.json()["error_type"] == "validation"
