"""What the command line names is trusted with secrets, what an editor's settings name is not."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from midfill_lsp.backend.base import InfillRequest
from midfill_lsp.cli.options import make_backend
from midfill_lsp.config import Config
from midfill_lsp.errors import AccessDenied, BackendError
from midfill_lsp.settings.layer import Layer
from midfill_lsp.settings.settle import settle

ASK = InfillRequest("def f(", "):\n", "s", 8)
# Not `localhost` to us, and nobody listens there.
ELSEWHERE = "https://127.0.0.2:1/v1"


async def failure(config: Config, own: Config) -> BackendError:
    backend = make_backend(config, own=own)
    async with aclosing(backend):
        with pytest.raises(BackendError) as caught:
            async with aclosing(backend.infill(ASK)) as stream:
                await anext(stream)
    return caught.value


@pytest.mark.parametrize(
    "settings",
    [
        {"backend": {"kind": "openai", "url": ELSEWHERE, "tokenVariable": "SOME_SECRET"}},
        {"engine": {"url": ELSEWHERE}},
    ],
)
async def test_a_host_that_only_settings_name_gets_no_secret(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOME_SECRET", "hidden")
    monkeypatch.setenv("MIDFILL_API_KEY", "hidden")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("MIDFILL_TOKEN_HOSTS", raising=False)
    settled = settle([Layer("the editor", settings)])
    assert not settled.problems
    config = settled.config
    error = await failure(config, own=Config())
    assert isinstance(error, AccessDenied)
    assert "is not sent to 127.0.0.2, which only the settings name" in str(error)
    assert not isinstance(await failure(config, own=config), AccessDenied)
    monkeypatch.setenv("MIDFILL_TOKEN_HOSTS", "127.0.0.2")
    assert not isinstance(await failure(config, own=Config()), AccessDenied)
