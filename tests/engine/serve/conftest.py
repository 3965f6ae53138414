"""Apps over a fake engine, and a real uvicorn over a real engine loop with a fake model."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from midfill_engine.config import EngineConfig, Limits, ServerConfig
from midfill_engine.errors import EngineError
from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.serve.admin import Loader, ModelAdmin
from midfill_engine.serve.app import build_app
from midfill_engine.serve.registry import Models
from midfill_engine.serve.served import Engine, ModelInfo, Served
from midfill_engine.serve.server import EngineServer, bind
from midfill_engine.text.families import find_family
from midfill_engine.text.heal import PieceIndex
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.runtime.fake_runner import FakeRunner
from tests.engine.serve.chat_models import load_chat
from tests.engine.serve.fakes import FakeEngine, FakeHandle
from tests.engine.text.chat_vocabularies import TOOLS
from tests.engine.tiny import write_tiny_model, write_tiny_tokenizer

KEY = "test-key"
AUTH = {"authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    write_tiny_tokenizer(folder)
    return Tokenizer.load(folder)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model, tiny and random."""
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny", "codellama")


def serve_with(
    engine: Engine, tokenizer: Tokenizer, *, total: int = 200, name: str = "owner/tiny"
) -> Served:
    """A served model of `total` tokens."""
    return Served(
        engine=engine,
        tokenizer=tokenizer,
        vocab_size=512,
        pieces=PieceIndex(tokenizer, 512),
        family=find_family(tokenizer, vocab_size=512, wanted=None),
        model_id=name,
        max_total_tokens=total,
        max_infill_tokens=total,
        info=ModelInfo("LlamaForCausalLM", 1000, "float32", "cpu", "sdpa", "torch (a test)"),
        limits=Limits(),
    )


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def served(engine: FakeEngine, tokenizer: Tokenizer) -> Served:
    return serve_with(engine, tokenizer)


def client_of(served: Served, **options: Any) -> httpx.AsyncClient:  # noqa: ANN401  # passed on
    """A client of an app in this process; it holds the key."""
    return client_of_models(Models([served]), **options)


def client_of_models(models: Models, **options: Any) -> httpx.AsyncClient:  # noqa: ANN401
    """As `client_of`, of several models."""
    settings: dict[str, Any] = {"api_key": KEY, **options}
    app = build_app(models, host="127.0.0.1", **settings)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://127.0.0.1",
        headers=AUTH,
    )


@pytest.fixture
async def client(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(served) as found:
        yield found


@pytest.fixture
async def plain_client(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """Of a model without infill tokens."""
    async with client_of(replace(served, family=None)) as found:
        yield found


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Served]:
    """Builds a served model of a template."""

    def build(engine: FakeEngine, template: str | None, name: str = "owner/tiny") -> Served:
        tokenizer, chat = load_chat(tmp_path_factory.mktemp("chat"), template, name)
        return replace(serve_with(engine, tokenizer, name=name), chat=chat)

    return build


@pytest.fixture
def chatting(engine: FakeEngine, serve: Callable[..., Served]) -> Served:
    return serve(engine, TOOLS)


@pytest.fixture
async def chat(chatting: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(chatting) as found:
        yield found


def sse_values(text: str) -> list[Any]:
    """The values of a finished stream; `[DONE]` stays a string."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data:")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


class LiveServer:
    """uvicorn in a thread, on a free port."""

    def __init__(
        self, models: Models, config: ServerConfig, admin: ModelAdmin | None = None
    ) -> None:
        self.models = models
        self._socket = bind(config)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.failure: EngineError | None = None
        self._started = threading.Event()
        self.server = EngineServer(models, config, KEY, self.url, self._tell, admin)
        self._thread = threading.Thread(target=self._run, name="test-server")
        self._thread.start()
        assert self._started.wait(30)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=AUTH, timeout=30)

    def stop(self) -> None:
        self.server.should_exit = True
        self.join()

    def join(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._socket.close()

    def _run(self) -> None:
        try:
            self.server.run(sockets=[self._socket])
        except EngineError as error:
            self.failure = error

    def _tell(self, line: str) -> None:
        assert self.url in line
        self._started.set()


@pytest.fixture
def start_server() -> Iterator[Callable[..., LiveServer]]:
    """Starts servers that are stopped at the test's end."""
    servers: list[LiveServer] = []

    def start(
        served: Served,
        *others: Served,
        load: Loader | None = None,
        **options: Any,  # noqa: ANN401  # passed on
    ) -> LiveServer:
        models = Models([served, *others])
        admin = None
        if load is not None:
            admin = ModelAdmin(models, EngineConfig(), load, has_key=True)
        servers.append(LiveServer(models, ServerConfig(port=0, **options), admin))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@contextmanager
def fed_stream(
    live: LiveServer, engine: FakeEngine, body: Mapping[str, object]
) -> Generator[tuple[httpx.Response, FakeHandle]]:
    """An infill stream under way, and the handle through which the test tells its events."""
    engine.script = None
    with live.client() as client, client.stream("POST", "/infill", json=body) as reply:
        assert engine.submitted.wait(30)
        yield reply, engine.handles[0]


@pytest.fixture
def runner() -> FakeRunner:
    return FakeRunner()


@pytest.fixture
def loop(runner: FakeRunner, tokenizer: Tokenizer) -> Iterator[EngineLoop]:
    """A running engine thread over a model that writes letters without an end."""
    started = EngineLoop(runner, tokenizer, max_requests=4)
    started.start()
    yield started
    runner.gate.set()
    started.close()
    started.check_integrity()


@pytest.fixture
def live(
    loop: EngineLoop, tokenizer: Tokenizer, start_server: Callable[..., LiveServer]
) -> LiveServer:
    return start_server(serve_with(loop, tokenizer, total=10**9))
