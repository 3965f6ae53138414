"""What the model says about infill and what the request says: the prompt that comes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from midfill_engine.serve.served import Served
from midfill_engine.text.infill_defaults import InfillDefaults
from tests.engine.serve.conftest import client_of
from tests.engine.serve.fakes import FakeEngine

BODY: dict[str, Any] = {"input_prefix": "a\n  x.impor", "input_suffix": "\n"}


async def _asked(served: Served, engine: FakeEngine, path: str, body: dict[str, Any]) -> str:
    """The prompt's text that a body makes, with sentinels by name, and what is taken back."""
    async with client_of(served) as client:
        reply = await client.post(path, json=body)
        assert reply.status_code == 200, reply.text
    request, tokenizer = engine.requests[-1], served.tokenizer
    parts = (
        tokenizer.token_text(token_id).encode()
        if tokenizer.is_special(token_id)
        else tokenizer.token_bytes(token_id)
        for token_id in request.prompt_ids
    )
    healed = "" if request.healing is None else request.healing.text.decode()
    return b"".join(parts).decode() + "|" + healed


SPM = "<s>▁<PRE>▁<SUF>\n▁<MID>a\n  x."
SPM_OFF = f"{SPM}impor|"
PSM = "<s>▁<PRE>a\n▁<SUF>\n▁<MID>  x."


@pytest.mark.parametrize(
    ("defaults", "fields", "prompt"),
    [
        (InfillDefaults(), {}, SPM_OFF),
        (InfillDefaults(), {"heal": True}, f"{SPM}|impor"),
        (InfillDefaults(heal=True), {}, f"{SPM}|impor"),
        (InfillDefaults(heal=True), {"heal": None}, f"{SPM}|impor"),
        (InfillDefaults(heal=True), {"heal": False}, SPM_OFF),
        (InfillDefaults("psm"), {}, "<s>▁<PRE>a\n  x.impor▁<SUF>\n▁<MID>|"),
        (InfillDefaults("psm"), {"order": "spm"}, SPM_OFF),
        (InfillDefaults("psm", False, "middle"), {}, f"{PSM}impor|"),
        (InfillDefaults("psm", True, "middle"), {}, f"{PSM}|impor"),
        (InfillDefaults("spm", True, "middle"), {}, f"{SPM}|impor"),
        (InfillDefaults("spm", True, "middle"), {"order": "psm"}, f"{PSM}|impor"),
        (
            InfillDefaults("psm", False, "middle"),
            {"prompt": "m"},
            "<s>▁<PRE>a\n  x.impor▁<SUF>\n▁<MID>m|",
        ),
        (
            InfillDefaults("psm", True, "middle"),
            {"input_prefix": "a\n"},
            "<s>▁<PRE>a\n▁<SUF>\n▁<MID>|",
        ),
    ],
)
async def test_what_the_model_says_and_what_the_request_says(
    served: Served,
    engine: FakeEngine,
    defaults: InfillDefaults,
    fields: dict[str, Any],
    prompt: str,
) -> None:
    served = replace(served, infill_defaults=defaults)
    assert await _asked(served, engine, "/infill", {**BODY, **fields}) == prompt


async def test_plain_prompts_are_never_healed(served: Served, engine: FakeEngine) -> None:
    served = replace(served, infill_defaults=InfillDefaults("psm", True, "middle"))
    tgi = {"inputs": "<PRE>a<SUF>b<MID>impor", "parameters": {"max_new_tokens": 3}}
    assert (await _asked(served, engine, "/generate", tgi)).endswith("impor|")
    openai = {"prompt": "x.impor", "heal": True}
    assert await _asked(served, engine, "/v1/completions", openai) == "<s>x.impor|"
    infill = await _asked(served, engine, "/v1/completions", {**openai, "suffix": "s"})
    assert infill == "<s>▁<PRE>▁<SUF>s▁<MID>x.|impor"


@pytest.mark.parametrize(
    ("path", "body"),
    [("/infill", BODY), ("/v1/completions", {"prompt": "a", "suffix": "b"})],
)
async def test_heal_is_true_or_false(
    client: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    reply = await client.post(path, json={**body, "heal": "yes"})
    assert reply.status_code == 422
    assert "`heal` must be true or false" in reply.json()["error"]["message"]
