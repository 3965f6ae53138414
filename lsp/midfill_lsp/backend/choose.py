"""The remote backend that the settings name. Called by `cli`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping

from midfill_lsp.backend.base import ChatMessage, InfillRequest, StreamEnd
from midfill_lsp.backend.dialect import Dialect
from midfill_lsp.backend.llamacpp import LlamaCpp
from midfill_lsp.backend.ollama import Ollama
from midfill_lsp.backend.openai import OpenAi
from midfill_lsp.backend.opening import Sleep
from midfill_lsp.backend.place import base_url
from midfill_lsp.backend.remote import RemoteBackend
from midfill_lsp.backend.tgi import Tgi
from midfill_lsp.backend.tokens import EditorTokens, TokenSource
from midfill_lsp.backend.wire import Wire
from midfill_lsp.config import BackendConfig
from midfill_lsp.errors import BackendError

_DIALECTS: dict[str, Callable[[Wire, BackendConfig], Dialect]] = {
    "tgi": lambda wire, config: Tgi(wire, config.model),
    "openai": lambda wire, config: OpenAi(wire, config.model),
    "llamacpp": lambda wire, config: LlamaCpp(wire, config.model),
    "ollama": lambda wire, config: Ollama(wire, config.model, config.context_tokens),
}


def make_remote(
    config: BackendConfig,
    tokens: EditorTokens | None = None,
    sleep: Sleep = asyncio.sleep,
    named: Collection[str] = (),
) -> RemoteBackend | Misconfigured:
    """Return the backend; nothing is asked yet, and wrong settings are told when it is used.

    Args:
        config: of a kind other than `engine`.
        tokens: the editor's secret storage, where there is an editor.
        sleep: waits for a model that is loaded, in seconds.
        named: hosts that the user names outside of the settings; a token may go there.
    """
    try:
        base = base_url(config)
    except BackendError as error:
        return Misconfigured(config, error)
    wire = Wire(base, config, TokenSource(config, tokens, named=named))
    return RemoteBackend(_DIALECTS[config.kind](wire, config), config, sleep)


class Misconfigured:
    """Implements `Backend` and `EngineControl` for settings that lead nowhere."""

    def __init__(self, config: BackendConfig, error: BackendError) -> None:
        """Keep the reason."""
        self._config = config
        self._error = error

    @property
    def reason(self) -> str:
        """What is wrong, and the remedy."""
        return str(self._error)

    @property
    def name(self) -> str:
        """Name for status lines."""
        return f"{self._config.kind} (wrong settings)"

    def describe(self) -> Mapping[str, object]:
        """Return what is known."""
        return {"url": self._config.url, "pid": None, "model": self._config.model}

    async def start(self) -> None:
        """Raise the reason."""
        raise self._error

    async def restart(self) -> None:
        """Raise the reason."""
        raise self._error

    async def infill(self, request: InfillRequest) -> AsyncGenerator[str | StreamEnd, None]:
        """Raise the reason."""
        raise self._error
        yield  # makes this a generator

    async def chat(
        self, messages: tuple[ChatMessage, ...], max_tokens: int
    ) -> AsyncGenerator[str | StreamEnd, None]:
        """Raise the reason."""
        raise self._error
        yield  # makes this a generator

    async def aclose(self) -> None:
        """Nothing is held."""
