"""A loader of fake engines that the test holds up, and what tells of models that have ended."""

from __future__ import annotations

import logging
import threading

from midfill_engine.config import EngineConfig
from midfill_engine.serve.served import Served
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import serve_with
from tests.engine.serve.fakes import FakeEngine


class Loading:
    """Loads fake engines, when the test lets it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.configs: list[EngineConfig] = []
        self.engines: list[FakeEngine] = []
        self.began, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self, config: EngineConfig) -> Served:
        self.configs.append(config)
        self.began.set()
        assert self.gate.wait(30)
        if self.error is not None:
            raise self.error
        self.engines.append(FakeEngine())
        assert config.model.name is not None
        return serve_with(self.engines[-1], self._tokenizer, name=config.model.name)


class EndWatch(logging.Handler):
    """Tells when a model that was taken out has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().endswith("has ended"):
            self.ended.set()
