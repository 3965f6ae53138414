"""A window over a real server of each kind that answers chats by script."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midfill_lsp.backend.base import Backend
from midfill_lsp.backend.infill import InfillBackend
from midfill_lsp.config import BackendKind
from midfill_lsp.engine_process.endpoint import FixedEngine
from tests.lsp.backend.fake_remote import (
    Answer,
    FakeRemote,
    chat_chunk,
    js,
    lines,
    sse,
    token_event,
)
from tests.lsp.backend.remotes import remote
from tests.lsp.in_process import InProcess

CODE = "def f(self):\n    return 1\n"
PIECES = ("```python\ndef f(self):\n", "    return 2\n", "```\nIt was 1.")
CHATS, TEXTS = "/v1/chat/completions", "/"


@dataclass(frozen=True)
class Kind:
    """How one kind of server is set up, and how it says things.

    Attributes:
        path: where chats go.
        says: answers with these pieces.
        too_long: refuses a prompt for its length.
        given: other routes that it needs.
        num_probes: requests to `path` before the first chat.
    """

    kind: BackendKind
    path: str
    says: Callable[..., Answer]
    too_long: Answer
    given: dict[str, Answer]
    num_probes: int = 0

    def words_of(self, body: Any) -> str:  # noqa: ANN401  # JSON
        """Return all that a request says, as JSON writes it."""
        return json.dumps(body.get("messages", body.get("inputs")))


def openai_says(*pieces: str) -> Answer:
    return sse(*map(chat_chunk, pieces), chat_chunk("", "stop"), "[DONE]")


def tgi_says(*pieces: str) -> Answer:
    return sse(*map(token_event, pieces), token_event("</s>", "eos_token", special=True))


def ollama_says(*pieces: str) -> Answer:
    said = [{"message": {"role": "assistant", "content": piece}, "done": False} for piece in pieces]
    return lines(*said, {"message": {"content": ""}, "done": True, "done_reason": "stop"})


INFO = {"model_id": "m", "max_total_tokens": 2048, "midfill": {"chat": "template"}}
OPENAI_LONG = js({"error": {"message": "maximum context length is 2048 tokens"}}, 400)
KINDS = {
    "engine": Kind("engine", CHATS, openai_says, OPENAI_LONG, {"/info": js(INFO)}),
    "tgi, messages": Kind(
        "tgi", CHATS, openai_says,
        js({"error": "Input validation error: `inputs` must have less than 2048 tokens"}, 422),
        {TEXTS: tgi_says("x"), "/info": js({"model_id": "m", "max_total_tokens": 2048})}, 1,
    ),
    "tgi, text": Kind(
        "tgi", TEXTS, tgi_says,
        js({"error": "Input validation error: `inputs` must have less than 2048 tokens"}, 422),
        {"/info": js({"model_id": "zephyr-7b-beta", "max_total_tokens": 2048})}, 1,
    ),
    "openai": Kind(
        "openai", CHATS, openai_says, OPENAI_LONG, {"/v1/models": js({"data": [{"id": "m"}]})}, 1
    ),
    "llamacpp": Kind(
        "llamacpp", CHATS, openai_says,
        js({"error": {"message": "the request exceeds the available context size"}}, 400),
        {"/props": js({"default_generation_settings": {"n_ctx": 2048}, "model_path": "m.gguf"}),
         "/infill": js({"content": "x", "stop": True})}, 1,
    ),
    "ollama": Kind(
        "ollama", "/api/chat", ollama_says,
        js({"error": "the prompt is longer than the context length"}, 400),
        {"/api/show": js({"capabilities": ["completion"]}),
         "/api/tags": js({"models": [{"name": "m"}]}),
         "/api/generate": lines({"response": "x", "done": True})}, 1,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """A window over a server of one kind."""

    kind: Kind
    server: FakeRemote
    editor: InProcess
    uri: str

    def answers(self, *answers: Answer) -> None:
        """Set what the server says to chats; the probes before the first are answered."""
        probes = [self.kind.says("x")] * self.kind.num_probes
        self.server.on(self.kind.path, *probes, *answers)

    def asked(self) -> list[str]:
        """Return what chats said to the server."""
        bodies = self.server.bodies(self.kind.path)[self.kind.num_probes :]
        return [self.kind.words_of(body) for body in bodies]

    def partials(self) -> list[dict[str, Any]]:
        """Return the progress so far."""
        sent = self.editor.received
        return [m["params"]["value"] for m in sent if m.get("method") == "$/progress"]

    def chat(self, text: str = "/fix", *before: str) -> dict[str, Any]:
        """Return the parameters of a chat with earlier turns."""
        roles = ["user", "assistant"] * len(before)
        turns = [{"role": r, "content": c} for r, c in zip(roles, before, strict=False)]
        question = {"role": "user", "content": text}
        place = {"uri": self.uri}
        return {"messages": [*turns, question], "context": [place], "partialResultToken": "t"}

    def edit(self) -> dict[str, Any]:
        """Return the parameters of an edit."""
        whole = {"start": {"line": 0, "character": 0}, "end": {"line": 2, "character": 0}}
        return {
            "textDocument": {"uri": self.uri, "version": 1},
            "range": whole,
            "instruction": "return 2",
            "partialResultToken": "t",
        }

    def asks(self, method: str) -> dict[str, Any]:
        """Return the parameters of either method."""
        return self.chat() if method == "midfill/chat" else self.edit()


@asynccontextmanager
async def over(name: str, folder: Path, **settings: object) -> AsyncGenerator[World]:
    """Yield a window over a server of that kind; the settings decide on trust alone."""
    kind = KINDS[name]
    async with FakeRemote() as server:
        for path, answer in kind.given.items():
            server.on(path, answer)
        backend: Backend = (
            InfillBackend(FixedEngine(server.url))
            if kind.kind == "engine"
            else remote(kind.kind, server.url, None if kind.kind in ("tgi", "llamacpp") else "m")
        )
        editor = InProcess(backend)
        await editor.initialize(settings=settings)
        uri = (folder / "a.py").as_uri()
        editor.open(uri, CODE)
        try:
            yield World(kind, server, editor, uri)
        finally:
            await editor.request("shutdown")
