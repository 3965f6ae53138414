"""An editor without a screen: a typist's moves as messages, and what it would show.

It does as VS Code does: every change is sent, then the request before it is cancelled, then a
suggestion is asked for; text typed through a suggestion on the screen leaves its rest there; no
request after an undo or where the cursor was only moved. ``standard`` asks with
``textDocument/inlineCompletion``, ``streaming`` with ``midfill/completion``, whose text grows.
Called by ``bench.latency``.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal

from bench.edits import difference, position, units
from bench.keys import Cause, Key, Log
from bench.lsp_wire import Message, Wire
from bench.typist import Accept, Ghost, Typist

Client = Literal["standard", "streaming"]
SETTLE_S = 3.0
_SILENT: frozenset[str] = frozenset({"undo", "jump"})


class Editor:
    """One document at a time in one window; ``speed`` 2 is twice as fast as a person."""

    def __init__(self, wire: Wire, client: Client, speed: float, log: Log) -> None:
        """Shows nothing yet."""
        self._wire, self._client, self._speed, self._log = wire, client, speed, log
        wire.on_message = self._take
        self._by_id: dict[int, Key] = {}
        self._explains: dict[int, Key] = {}
        self._uri = ""
        self._version = 0
        self._text = self._before = ""
        self._current: Key | None = None
        self._ghost: Ghost | None = None
        self._ghost_at = 0.0
        self._item: dict[str, Any] | None = None
        self._news = asyncio.Event()

    async def play(self, typist: Typist, uri: str, language: str) -> None:
        """Types a trace from its start to its end."""
        self._open(typist, uri, language)
        while (move := typist.plan()) is not None:
            accept = await self._look(typist, move.gap_s / self._speed)
            if accept is not None:
                self._log.accepts.append(accept)
                self._tell_accept(accept)
                typist.accept(accept)
                self._change(typist, "accept")
                continue
            typist.do(move)
            self._log.num_moves += 1
            if move.kind in {"text", "newline"}:
                self._log.num_typed += len(move.piece)
            self._change(typist, move.kind, move.piece)
        await self._settle()
        self._wire.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def _open(self, typist: Typist, uri: str, language: str) -> None:
        self._uri, self._version = uri, 1
        self._current = self._ghost = self._item = None
        self._before = typist.editor.before
        self._text = self._before + typist.editor.after
        document = {"uri": uri, "languageId": language, "version": 1, "text": self._text}
        self._wire.notify("textDocument/didOpen", {"textDocument": document})

    async def _look(self, typist: Typist, gap_s: float) -> Accept | None:
        """Waits out a gap with an eye on the screen; returns what the person takes instead."""
        deadline = time.perf_counter() + gap_s
        while True:
            self._news.clear()
            accept = typist.choose(self._ghost) if self._ghost is not None else None
            due = deadline
            if accept is not None:
                due = min(deadline, self._ghost_at + accept.reading_s / self._speed)
            left_s = due - time.perf_counter()
            if left_s > 0:
                try:
                    await asyncio.wait_for(self._news.wait(), left_s)
                except asyncio.TimeoutError:
                    pass
                else:
                    continue  # the screen has changed: look again
            return accept if due < deadline else None

    def _change(self, typist: Typist, kind: Cause, piece: str = "") -> None:
        """Sends what a move did to the document, and asks for a suggestion."""
        before, text = typist.editor.before, typist.editor.before + typist.editor.after
        change = difference(self._text, text)
        at = time.perf_counter()
        is_silent = kind in _SILENT
        if change is not None:
            self._version += 1
            self._notify_change(change)
        self._text, self._before = text, before
        self._keep_ghost(kind, piece)
        if self._current is not None and not self._current.is_replied:
            self._wire.notify("$/cancelRequest", {"id": self._current.msg_id})
        self._current = None
        if not is_silent:
            self._ask(kind, at)

    def _keep_ghost(self, kind: str, piece: str) -> None:
        """Leaves the rest of a suggestion that is typed through on the screen."""
        ghost = self._ghost
        is_through = ghost is not None and kind == "text" and ghost.text.startswith(piece)
        if ghost is not None and is_through and len(ghost.text) > len(piece):
            self._ghost = Ghost(ghost.text[len(piece) :], ghost.rest_len)
        else:
            self._ghost = self._item = None

    def _ask(self, kind: Cause, at: float) -> None:
        params: dict[str, Any] = {
            "textDocument": {"uri": self._uri},
            "position": position(self._text, len(self._before)),
            "context": {"triggerKind": 2},
        }
        method = "textDocument/inlineCompletion"
        if self._client == "streaming":
            method = "midfill/completion"
            # Ends with the key's place in the log.
            params["partialResultToken"] = f"ghost {self._version} {len(self._log.keys)}"
        msg_id = self._wire.begin(method, params)
        key = Key(kind, self._version, msg_id, at)
        self._by_id[msg_id] = self._current = key
        self._log.keys.append(key)

    def _notify_change(self, change: dict[str, Any]) -> None:
        document = {"uri": self._uri, "version": self._version}
        params = {"textDocument": document, "contentChanges": [change]}
        self._wire.notify("textDocument/didChange", params)

    def _tell_accept(self, accept: Accept) -> None:
        if self._item is None:
            return  # taken while it still grew
        if accept.take == "whole":
            self._wire.begin("workspace/executeCommand", self._item["command"])
        else:
            params = {"item": self._item, "acceptedLength": len(accept.text)}
            self._wire.notify("textDocument/didPartiallyAcceptCompletion", params)

    def _take(self, message: Message, at: float) -> None:
        """Takes a message that is no reply to a plain request."""
        if message.get("method") == "$/progress":
            token = message["params"]["token"]
            if isinstance(token, str) and token.startswith("ghost "):
                key = self._log.keys[int(token.rpartition(" ")[2])]
                self._take_partial(key, message["params"]["value"]["insertText"], at)
        elif message.get("id") in self._explains:
            key = self._explains.pop(message["id"])
            explanation: dict[str, Any] = message.get("result") or {}
            if explanation.get("requestId") == str(key.msg_id):
                key.explanation = explanation
        elif message.get("id") in self._by_id:
            self._take_reply(self._by_id.pop(message["id"]), message, at)

    def _take_partial(self, key: Key, text: str, at: float) -> None:
        if key.is_replied:
            self._log.stale.append(f"after the reply, version {key.version}: {text!r}")
        elif key is not self._current:
            self._log.num_crossed += 1
        else:
            if not text.startswith(key.partial):
                self._log.num_flickers += 1
            key.partial = text
            self._show(key, Ghost(text), at)

    def _take_reply(self, key: Key, message: Message, at: float) -> None:
        key.is_replied = True
        if "error" in message:
            is_cancel = message["error"]["code"] == -32800 and key is not self._current
            self._log.num_failed += not is_cancel
            return
        result: dict[str, Any] = message.get("result") or {}
        items: list[dict[str, Any]] = result.get("items", [])
        if key is not self._current:
            self._log.num_crossed += bool(items)
            return
        key.final_at = at
        msg_id = self._wire.begin("workspace/executeCommand", {"command": "midfill.explain"})
        self._explains[msg_id] = key
        self._news.set()
        if not items:
            self._log.num_flickers += bool(key.partial)
            self._ghost = None
            return
        ghost = self._fit(items[0])
        if ghost is None:
            self._log.stale.append(f"does not fit, version {key.version}: {items[0]!r}")
            return
        self._log.num_flickers += not ghost.text.startswith(key.partial)
        self._item = items[0]
        self._show(key, ghost, at)
        self._wire.notify("textDocument/didShowCompletion", {"item": items[0]})

    def _fit(self, item: dict[str, Any]) -> Ghost | None:
        """Returns an item as ghost text, None if it does not fit the document as it is."""
        cursor = position(self._text, len(self._before))
        start, end = item["range"]["start"], item["range"]["end"]
        rest = self._text[len(self._before) :].split("\n", 1)[0]
        rest_units = end["character"] - cursor["character"]
        if start["line"] != cursor["line"] or end["line"] != cursor["line"]:
            return None
        head = self._before[len(self._before) - (cursor["character"] - start["character"]) :]
        if start["character"] > cursor["character"] or not 0 <= rest_units <= units(rest):
            return None
        typed = head if start["character"] < cursor["character"] else ""
        if not item["insertText"].startswith(typed):
            return None
        return Ghost(item["insertText"][len(typed) :], min(rest_units, len(rest)))

    def _show(self, key: Key, ghost: Ghost, at: float) -> None:
        if key.first_at is None:
            key.first_at = at
        if ghost != self._ghost:
            self._ghost, self._ghost_at = ghost, at
            self._log.displays.append((self._before, ghost.text, at))
            self._news.set()

    async def _settle(self) -> None:
        """Waits for the reply to the last key."""
        deadline = time.perf_counter() + SETTLE_S
        while self._current is not None and not self._current.is_replied:
            self._news.clear()
            left_s = deadline - time.perf_counter()
            try:
                await asyncio.wait_for(self._news.wait(), max(0.0, left_s))
            except asyncio.TimeoutError:
                self._log.num_failed += 1
                return
