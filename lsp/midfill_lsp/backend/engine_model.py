"""What an engine's `/info` says of its model: whether it chats, and gains by other files.

Called by `infill`. Source of the fields: docs/protocol.md, section 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import httpx

from midfill_lsp.backend.fields import count, fields_of
from midfill_lsp.backend.http import EngineClient
from midfill_lsp.errors import CannotDo, EngineGone

# Of models that were not trained with other files two things are known. The bundled one, of 5.5
# million parameters, completes no better with them (`bench/quality.py --kinds cross_file`,
# docs/log.md, 2026-11-26). CodeGen and StarCoder, of billions, get about twice as much right
# (CrossCodeEval, 2023). Where in between it begins is not known: the bound is a choice.
_MIN_PARAMETERS = 500_000_000


class Address(Protocol):
    """Where an engine answers."""

    @property
    def url(self) -> str:
        """Base URL without a trailing slash."""
        ...

    @property
    def key(self) -> str | None:
        """Bearer key, if one is needed."""
        ...


class Engine(Protocol):
    """What gives the address: `engine_process.SharedEngine` or `FixedEngine`."""

    async def endpoint(self) -> Address:
        """Return the address; may start the engine. Raises `BackendError`."""
        ...

    def watch_progress(self, on_progress: Callable[[str, int], None]) -> None:
        """Have this called while a model comes: downloading or loading, and the percent of it."""
        ...

    def report_gone(self, url: str) -> None:
        """Take note that a request to `url` got no answer."""
        ...

    async def restart(self) -> None:
        """End the engine; the next `endpoint` starts it anew."""
        ...

    async def aclose(self) -> None:
        """Let go of the engine."""
        ...

    def describe(self) -> dict[str, object]:
        """Return state, url, pid, model and reason for status lines."""
        ...


class EngineModel:
    """Asks each engine once, and a model's chat as often as somebody wants to know."""

    def __init__(self, engine: Engine, client: Callable[[str], EngineClient]) -> None:
        """Know nothing yet.

        Args:
            engine: is told when it does not answer.
            client: gives the client for an address.
        """
        self._engine = engine
        self._client = client
        self._chatting: set[str] = set()  # URLs of engines whose models chat
        self._why_no_files: dict[str, str | None] = {}  # the same, see `why_no_files`
        self._url = ""

    def forget(self) -> None:
        """Forget what was learnt of the models: another may be behind the same address."""
        self._why_no_files.clear()

    def why_no_files(self) -> str | None:
        """Return why pieces of other files had better not go along, None if they had."""
        return self._why_no_files.get(self._url, "the engine's model is not known yet")

    async def look(self, url: str) -> None:
        """Learn what the engine's model makes of other files; once per engine."""
        self._url = url
        if url in self._why_no_files:
            return
        try:
            self._learn(url, await self._info(url))
        except EngineGone:
            return  # the request that follows says so

    async def check_chat(self, url: str) -> None:
        """Raise `CannotDo` unless the engine says that its model chats; asked once per engine."""
        if url not in self._chatting:
            await self.chat_context(url)

    async def chat_context(self, url: str) -> int | None:
        """Return the context of a model that chats, if it is told; raise `CannotDo` for others."""
        info = await self._info(url)
        self._learn(url, info)
        if fields_of(info.get("midfill")).get("chat") in (None, "none"):
            model = info.get("model_id") or "the engine's model"
            self._chatting.discard(url)
            raise CannotDo(
                f"{model} cannot chat: it only completes code; choose a model that chats "
                "(midfill models recommend shows some), or set midfill.backend.kind to a server"
            )
        self._chatting.add(url)
        return count(info.get("max_total_tokens"))

    def _learn(self, url: str, info: dict[str, Any]) -> None:
        about = fields_of(info.get("midfill"))
        takes_files = fields_of(about.get("infill")).get("files") is True
        size = count(about.get("parameters"))
        if takes_files or size is None or size >= _MIN_PARAMETERS:
            self._why_no_files[url] = None
        else:
            self._why_no_files[url] = (
                f"{info.get('model_id') or 'the model'} is small and was not trained with other "
                "files, so they are not known to help; context.send always sends them all the same"
            )

    async def _info(self, url: str) -> dict[str, Any]:
        try:
            response = await self._client(url).get(f"{url}/info")
            response.raise_for_status()
            return fields_of(response.json())
        except (httpx.HTTPError, ValueError) as error:
            self._engine.report_gone(url)
            raise EngineGone(f"{url} does not answer on /info: {error}") from error
