"""Finds out what a remote server can do, once for all who ask. Called by `remote`.

ways() ── known? ── yes ─▶ Ways
            │ no
            ▼ one task, however many callers come and go
          probe ── 503, the model is being loaded ─▶ tell, wait, probe again
            ▼
          no infill there? try the chat route with one token

Kept until `forget`: after a refusal of something that worked before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from midfill_lsp import chat_format, fim
from midfill_lsp.backend.base import Capabilities, ChatMessage, ChatWay, InfillWay
from midfill_lsp.backend.dialect import Dialect, Found, let_through
from midfill_lsp.backend.rejection import base_of
from midfill_lsp.backend.ways import Ways
from midfill_lsp.config import BackendConfig
from midfill_lsp.errors import BadReply, CannotDo, ModelLoading, NotServed, ServerFailed

logger = logging.getLogger(__name__)

_DEFAULT_WAIT_S, _FIRST_WAIT_S, _LAST_WAIT_S = 2.0, 0.5, 20.0
# A server that always answers 500 where others refuse is taken as it is from then on. Automatic
# requests are that often some 15 s apart in all.
_NUM_PATIENT = 4
_HELLO = (ChatMessage("user", "Hi"),)

Sleep = Callable[[float], Awaitable[None]]
OnLoading = Callable[[str, "asyncio.Task[Ways]", "float | None"], None]
"""Takes a title, the task that waits, and the server's estimate in seconds if it gives one."""


class Opening:
    """What is known of one server."""

    def __init__(self, dialect: Dialect, config: BackendConfig, sleep: Sleep) -> None:
        """Ask nothing yet; `sleep` waits for a model that is loaded, in seconds."""
        self._dialect = dialect
        self._config = config
        self._sleep = sleep
        self._task: asyncio.Task[Ways] | None = None
        self._was_chat_tried = False
        self._num_failures = 0  # of the server's in a row, while it was probed
        self.known: Ways | None = None
        self.on_loading: OnLoading | None = None

    async def ways(self) -> Ways:
        """Return what the server can do; cancelling one caller does not end the probe for others.

        Raises:
            BackendError: it does not answer, refuses, or can do nothing of use.
        """
        if self.known is not None:
            return self.known
        if self._task is None:
            self._task = asyncio.create_task(self._open(), name="backend-probe")
            self._task.add_done_callback(self._opened)
        return await asyncio.shield(self._task)

    async def chat_ways(self) -> Ways:
        """Return the same, after the way to chat was looked for."""
        ways = await self.ways()
        if ways.can.chat is None and not self._was_chat_tried:
            try:
                way = await self._find_chat_way(ways.can.model, ways.can_complete)
            except ServerFailed:
                self._num_failures += 1
                raise
            self._was_chat_tried = True
            ways = ways.with_chat(way)
            if self.known is not None:
                self.known = ways
        return ways

    def forget(self) -> None:
        """Look anew the next time."""
        self.known, self._was_chat_tried = None, False

    async def aclose(self) -> None:
        """End a probe that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _open(self) -> Ways:
        waited_s, is_told = 0.0, False
        while True:
            try:
                ways = await self._look()
            except ModelLoading as error:
                if waited_s >= self._config.load_timeout_s:
                    raise
                task = asyncio.current_task()
                if self.on_loading is not None and not is_told and task is self._task:
                    assert self._task is not None
                    title = f"Loading {self._config.model or 'the model'}"
                    self.on_loading(title, self._task, error.estimated_s)
                is_told = True
                wait_s = _DEFAULT_WAIT_S if error.estimated_s is None else error.estimated_s
                wait_s = min(max(wait_s, _FIRST_WAIT_S), _LAST_WAIT_S)
                logger.info("the model is being loaded: asking again in %.1f s", wait_s)
                await self._sleep(wait_s)
                waited_s += wait_s
            else:
                server = base_of(self._dialect.base)
                logger.info("backend %s at %s: %s", ways.can.model, server, ways.can.summary())
                self.known = ways
                return ways

    def _opened(self, task: asyncio.Task[Ways]) -> None:
        self._task = None
        if not task.cancelled():
            task.exception()  # asked for even if every caller was cancelled meanwhile

    @property
    def _is_patient(self) -> bool:
        return self._num_failures < _NUM_PATIENT

    async def _look(self) -> Ways:
        try:
            ways = await self._probed()
        except ServerFailed:
            self._num_failures += 1
            raise
        self._num_failures = 0
        return ways

    async def _probed(self) -> Ways:
        found = await self._dialect.probe(self._is_patient)
        family = self._family(found)
        written = self._chat_format(found.model)
        chat: ChatWay | None = None
        is_family_set = self._config.fim_family not in {"auto", "none"}
        infill: InfillWay
        if found.text and family is not None and (is_family_set or not found.native):
            infill = "text"
        elif found.native:
            infill = "native"
        else:
            chat = await self._find_chat_way(found.model, found.text)
            self._was_chat_tried = True
            if chat is None and not found.text:
                raise found.refusal or CannotDo(f"{self._dialect.base} can do nothing of use")
            infill = "prefix" if chat is None else "chat"
        can = Capabilities(
            model=found.model,
            infill=infill,
            family=family.name if family is not None and infill == "text" else None,
            chat=chat,
            streaming=found.streaming,
            abort=found.abort,
            max_stops=found.max_stops,
            context_tokens=self._config.context_tokens or found.context_tokens,
        )
        return Ways(self._dialect, can, family, written, found)

    def _family(self, found: Found) -> fim.Family | None:
        wanted = self._config.fim_family
        if wanted == "none":
            return None
        if wanted == "auto":
            if any(family.name == found.family for family in fim.FAMILIES):
                return fim.family_named(found.family or "", found.model or "")
            return fim.family_of(found.model or "")
        return fim.family_named(wanted, found.model or "")

    def _chat_format(self, model: str | None) -> chat_format.ChatFormat | None:
        wanted = self._config.chat_format
        if wanted == "auto":
            return chat_format.format_of(model or "")
        return chat_format.format_named(wanted)

    async def _find_chat_way(self, model: str | None, can_complete: bool) -> ChatWay | None:
        """Return how the server chats, None if it does not; costs one token at most."""
        if self._config.chat_format != "auto" and can_complete:
            return "text"
        stream = self._dialect.converse(_HELLO, 1, True)
        try:
            async with aclosing(stream):
                async for _ in stream:
                    pass  # to its end, so that the connection is kept
        except (NotServed, BadReply, CannotDo) as error:
            let_through(error, self._is_patient)
            has_format = self._chat_format(model) is not None
            return "text" if can_complete and has_format else None
        return "messages"
