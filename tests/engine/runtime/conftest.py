"""A started loop over the fake runner, and a collector of events."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence

import pytest

from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.runtime.request import (
    Event,
    Finished,
    GenerationRequest,
    PromptScored,
    TokenEvent,
)
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.runtime.fake_runner import FakeRunner
from tests.engine.tiny import write_tiny_tokenizer


class Collector:
    """A sink that a test can wait on."""

    def __init__(self) -> None:
        self._events: queue.Queue[Event] = queue.Queue()
        self.tokens: list[TokenEvent] = []
        self.arrived: list[Event] = []
        self.prompt: PromptScored | None = None

    def __call__(self, event: Event) -> None:
        self.arrived.append(event)
        self._events.put(event)

    def next_token(self) -> TokenEvent:
        event = self._events.get(timeout=30)
        assert isinstance(event, TokenEvent), event
        self.tokens.append(event)
        return event

    def finished(self) -> Finished:
        while True:
            event = self._events.get(timeout=30)
            if isinstance(event, Finished):
                assert self._events.empty(), "an event after the last"
                return event
            if isinstance(event, PromptScored):
                assert self.prompt is None, "the prompt was told twice"
                assert not self.tokens, "the prompt comes first"
                self.prompt = event
            else:
                self.tokens.append(event)

    @property
    def token_ids(self) -> list[int]:
        return [event.token_id for event in self.tokens]

    @property
    def text(self) -> str:
        return "".join(event.delta for event in self.tokens)


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tiny_tokenizer(folder)
    return Tokenizer.load(folder)


@pytest.fixture
def runner() -> FakeRunner:
    return FakeRunner()


@pytest.fixture
def loop(runner: FakeRunner, tokenizer: Tokenizer) -> Iterator[EngineLoop]:
    loop = EngineLoop(runner, tokenizer, max_requests=16)
    runner.before_run = loop.check_integrity
    loop.start()
    yield loop
    runner.gate.set()
    loop.close()
    loop.check_integrity()


def request(prompt: Sequence[int], max_new_tokens: int = 8, **fields: object) -> GenerationRequest:
    return GenerationRequest(tuple(prompt), max_new_tokens, **fields)  # type: ignore[arg-type]  # test shorthand


def run(loop: EngineLoop, asked: GenerationRequest) -> Collector:
    collector = Collector()
    loop.submit(asked, collector)
    collector.finished()
    return collector
