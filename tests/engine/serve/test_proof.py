"""`GET /proof`: what is signed with the key, and for whom."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from midfill_engine.serve.served import Served
from tests.engine.serve.conftest import client_of

KEY = "k" * 43
NONCE = "0123456789abcdef" * 4


async def test_a_nonce_is_signed_without_the_key_being_sent(served: Served) -> None:
    async with client_of(served, api_key=KEY) as client:
        del client.headers["authorization"]
        reply = await client.get(f"/proof?nonce={NONCE}")
    assert reply.status_code == 200
    expected = hmac.new(KEY.encode(), f"midfill proof {NONCE}".encode(), hashlib.sha256)
    assert reply.json() == {"proof": expected.hexdigest()}


@pytest.mark.parametrize(
    "query",
    [
        *("", "?nonce=", f"?nonce={NONCE}0", f"?nonce={NONCE[:-1]}", f"?nonce={NONCE.upper()}"),
        *(f"?nonce={NONCE}%0A", f"?nonce={'g' * 64}", f"?nonce={'٣' * 64}"),
    ],
)
async def test_nothing_else_is_signed(served: Served, query: str) -> None:
    async with client_of(served, api_key=KEY) as client:
        reply = await client.get(f"/proof{query}")
    assert reply.status_code == 422
    assert "64 hexadecimal digits" in reply.json()["error"]


@pytest.mark.parametrize("key", [None, "k" * 31])
async def test_a_key_that_could_be_guessed_signs_nothing(served: Served, key: str | None) -> None:
    async with client_of(served, api_key=key) as client:
        reply = await client.get(f"/proof?nonce={NONCE}")
    assert reply.status_code == 404
    assert reply.json()["error_type"] == "not_found"
