"""How a hole is filled and a chat is asked, once it is known what the server can do.

Builds prompts with `fim`, `hole` and `chat_format`, and cuts from the answers what is no part of
the text. Called by `remote`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

from midfill_lsp import chat_format, fim, fim_files, hole
from midfill_lsp.backend.base import Capabilities, ChatMessage, ChatWay, InfillRequest, StreamEnd
from midfill_lsp.backend.dialect import Dialect, Found, Stream
from midfill_lsp.backend.stops import StopText
from midfill_lsp.chat_format import ChatFormat, Turn
from midfill_lsp.errors import CannotDo

# A fence, an echo of the line, a word of courtesy: what a chat's answer costs besides.
_CHAT_EXTRA_TOKENS = 96


class Ways:
    """The ways to one server, as far as they were found."""

    def __init__(
        self,
        dialect: Dialect,
        can: Capabilities,
        family: fim.Family | None,
        written: ChatFormat | None,
        found: Found,
    ) -> None:
        """Keep what was found.

        Args:
            dialect: the server's routes.
            can: which of them work.
            family: how infill prompts are written; None where it is not known.
            written: how chats are written where there is no chat route.
            found: what the probe found.
        """
        self._dialect = dialect
        self._family = family
        self._written = written
        self.can = can
        self._found = found
        self._guard = family or fim.ANY

    def with_chat(self, way: ChatWay | None) -> Ways:
        """Return the same with the way to chat that was found."""
        can = replace(self.can, chat=way)
        return Ways(self._dialect, can, self._family, self._written, self._found)

    @property
    def can_complete(self) -> bool:
        """Whether the server goes on from any prompt."""
        return self._found.text

    async def infill(self, request: InfillRequest) -> Stream:
        """Fill a hole the best way there is.

        Raises:
            RequestSkipped: the text holds a sentinel that cannot be cut away.
        """
        way = {
            "native": self._native,
            "text": self._text,
            "chat": self._by_chat,
            "prefix": self._prefix,
        }[self.can.infill]
        async with aclosing(way(request)) as stream:
            async for part in stream:
                yield part

    async def chat(self, messages: Sequence[ChatMessage], max_tokens: int) -> Stream:
        """Answer a conversation.

        Raises:
            CannotDo: there is no way.
        """
        async with aclosing(self._converse(messages, max_tokens, greedy=False)) as parts:
            async for part in parts:
                yield part

    def check_chat(self) -> None:
        """Raise `CannotDo` if there is no way to chat."""
        if self.can.chat is None:
            raise self._cannot_chat()

    def _cannot_chat(self) -> CannotDo:
        return CannotDo(
            f"{self.can.model or self._dialect.base} cannot chat: it has no chat route that "
            "works and no chat format that is known; set midfill.backend.chatFormat if it has "
            "one, or choose a model that chats (midfill models recommend)"
        )

    def _converse(self, messages: Sequence[ChatMessage], max_tokens: int, greedy: bool) -> Stream:
        """Return an answer; one for a hole, which is greedy, keeps the blanks at its start."""
        if self.can.chat == "messages":
            stream = self._dialect.converse(messages, max_tokens, greedy)
            stops: tuple[str, ...] = ()
        elif self.can.chat == "text" and self._written is not None:
            turns: list[Turn] = [(message.role, message.content) for message in messages]
            prompt = chat_format.write(self._written, turns)
            stops = self._written.stops
            stream = self._dialect.complete(prompt, max_tokens, self._some(stops), True)
        else:
            raise self._cannot_chat()
        return _cut(stream, stops, strips_start=not greedy)

    def _native(self, request: InfillRequest) -> Stream:
        if self._found.reads_sentinels:
            request = self._defused(request)
        if not self._found.takes_files:
            request = _with_comments(request)
        stops = (*request.stop, *self._guard.stops)
        return _cut(self._dialect.fill(request, self._some(request.stop)), stops)

    def _text(self, request: InfillRequest) -> Stream:
        assert self._family is not None
        others = request.others.without(self._family.specials)
        prompt = fim.build(self._family, request.prefix, request.suffix, others)
        # The family's own end first: most servers stop at another token by themselves.
        stops = (self._family.stops[0], *request.stop, *self._family.stops[1:])
        stream = self._dialect.complete(prompt, request.max_tokens, self._some(stops), False)
        return _cut(stream, stops, blank_before=self._family.stops)

    def _prefix(self, request: InfillRequest) -> Stream:
        request = _with_comments(self._defused(request))
        stops = self._some(request.stop)
        stream = self._dialect.complete(request.prefix, request.max_tokens, stops, False)
        return _cut(stream, request.stop)

    async def _by_chat(self, request: InfillRequest) -> Stream:
        """Ask for the hole, and yield what of the answer is certain to belong there."""
        request = self._defused(request)
        is_line = "\n" in request.stop
        system, question = hole.ask(
            request.prefix, request.suffix, is_line, request.language_id, request.others
        )
        messages = (ChatMessage("system", system), ChatMessage("user", question))
        answer, shown = "", ""
        end: StreamEnd | None = None
        async with aclosing(
            self._converse(messages, request.max_tokens + _CHAT_EXTRA_TOKENS, greedy=True)
        ) as stream:
            async for part in stream:
                if isinstance(part, StreamEnd):
                    end = part
                    continue
                answer += part
                text = hole.clean(answer, request.prefix, request.suffix, finished=False)
                if text and text.startswith(shown) and len(text) > len(shown):
                    yield text[len(shown) :]
                    shown = text
                if is_line and shown.strip():  # a whole line
                    yield StreamEnd("stop")
                    return  # the rest is not wanted; leaving aborts it
        text = hole.clean(answer, request.prefix, request.suffix) or ""
        if text.startswith(shown) and len(text) > len(shown):
            yield text[len(shown) :]
        if end is not None:
            yield end

    def _defused(self, request: InfillRequest) -> InfillRequest:
        """Return the request without what the server would take for a control token."""
        prefix, suffix = fim.defuse(self._guard, request.prefix, request.suffix)
        others = request.others.without(self._guard.specials)
        return replace(request, prefix=prefix, suffix=suffix, others=others)

    def _some(self, stops: Sequence[str]) -> tuple[str, ...]:
        """Return as many stop texts as the server takes; all are applied on this side."""
        return tuple(stops[: self.can.max_stops])


def _with_comments(request: InfillRequest) -> InfillRequest:
    """Return the request with the other files' text before the prefix."""
    prefix = fim_files.as_comments(request.others) + request.prefix
    return replace(request, prefix=prefix, others=fim_files.OtherFiles())


async def _cut(
    stream: Stream,
    stops: tuple[str, ...],
    *,
    strips_start: bool = False,
    blank_before: tuple[str, ...] = (),
) -> Stream:
    """Yield a stream's text up to a stop text, and its end.

    Args:
        stream: closed on the way out, which aborts it.
        stops: what ends the text.
        strips_start: as `StopText` has it.
        blank_before: stop texts that a model writes a blank before, which is theirs: ` <EOT>`.
    """
    text = StopText((*(f" {stop}" for stop in blank_before), *stops), strips_start=strips_start)
    async with aclosing(stream) as parts:
        async for part in parts:
            if isinstance(part, StreamEnd):
                if rest := text.flush():
                    yield rest
                yield part
                return
            if shown := text.feed(part):
                yield shown
            if text.is_stopped:
                yield StreamEnd("stop")
                return
