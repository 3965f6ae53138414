"""What a request is answered with: one loaded model, its engine, the limits. Built by `load`."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from midfill_engine.config import Limits
from midfill_engine.exec.constrain import GrammarCompiler
from midfill_engine.exec.memory import MemoryPlan
from midfill_engine.metrics import EngineLoad, RequestMetrics, StepMetrics
from midfill_engine.runtime.request import EventSink, GenerationRequest, untold
from midfill_engine.serve.mailbox import Mailbox
from midfill_engine.serve.vocabulary import grammar_vocabulary
from midfill_engine.text.chat import Chat
from midfill_engine.text.families import InfillFamily
from midfill_engine.text.heal import PieceIndex
from midfill_engine.text.infill_defaults import InfillDefaults
from midfill_engine.text.tokenizer import Tokenizer


class Handle(Protocol):
    """The caller's end of a submitted request."""

    @property
    def request_id(self) -> int:
        """Its number in the engine."""
        ...

    def abort(self) -> None:
        """End it by the next step; harmless when it has ended."""
        ...


class Engine(Protocol):
    """The engine thread as the routes see it; `runtime.loop.EngineLoop` is the real one."""

    @property
    def failure(self) -> str | None:
        """Why no request can be answered any more, with the remedy; None while one can."""
        ...

    @property
    def num_open(self) -> int:
        """Requests that have not finished."""
        ...

    @property
    def load(self) -> EngineLoad:
        """What it holds at the moment."""
        ...

    @property
    def steps(self) -> StepMetrics:
        """How its steps went."""
        ...

    def submit(
        self,
        request: GenerationRequest,
        sink: EventSink,
        after: int | None = None,
        on_told: Callable[[], None] = untold,
    ) -> Handle:
        """Queue a request; raises ValidationError, Overloaded or EngineDied.

        `after` is the id of a request with the same prompt, which is then computed once; `on_told`
        is called behind all that a step tells.
        """
        ...

    def close(self) -> None:
        """Abort everything and end the thread."""
        ...


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What `/info` tells of the model beyond TGI's fields."""

    architecture: str
    parameters: int
    dtype: str
    device: str
    attention: str
    kernels: str
    speculation: bool = False
    memory: MemoryPlan | None = None
    dtype_reason: str = "asked for"


@dataclass(slots=True)
class LiveStreams:
    """What is being answered at the moment, so that a shutdown can end it.

    Attributes:
        closers: one function per open reply; each ends its reply soon.
        ending: whether a shutdown has begun.
        mailbox: what the engines tell, for the event loop that answers; None before it does.
    """

    closers: set[Callable[[], None]] = field(default_factory=set[Callable[[], None]])
    ending: bool = False
    mailbox: Mailbox | None = None

    def own_mailbox(self) -> Mailbox:
        """Return the mailbox of the event loop that runs."""
        loop = asyncio.get_running_loop()
        if self.mailbox is None or self.mailbox.loop is not loop:
            self.mailbox = Mailbox(loop)
        return self.mailbox

    def add(self, close: Callable[[], None]) -> None:
        """Note an open reply; one that begins during a shutdown is ended at once."""
        self.closers.add(close)
        if self.ending:
            close()

    def end_all(self) -> None:
        """Ask every open reply to end, and those that still come."""
        self.ending = True
        for close in tuple(self.closers):
            close()


@dataclass(frozen=True, slots=True)
class Served:
    """Everything a route needs.

    Attributes:
        engine: answers requests.
        tokenizer: the model's vocabulary.
        vocab_size: the model's token ids are below it: the rows of its embedding, of which some
            models have more than tokens that are text.
        pieces: the vocabulary's pieces, for token healing.
        family: its infill sentinels, or None.
        model_id: the name under which it is served.
        max_total_tokens: prompt and generated tokens of one request.
        max_infill_tokens: of an infill prompt.
        info: for `/info`.
        infill_defaults: how the model wants to be asked to infill.
        chat: how the model is talked to, or None if it cannot chat.
        limits: bounds.
        live: open replies.
        metrics: counts of requests, of all models of an engine.
        loaded_at: when, in seconds since 1970.
        load_id: tells this loading of the model from every other, of the same name too.
        grammars: what answers have to obey, compiled for this vocabulary.
    """

    engine: Engine
    tokenizer: Tokenizer
    vocab_size: int
    pieces: PieceIndex
    family: InfillFamily | None
    model_id: str
    max_total_tokens: int
    max_infill_tokens: int
    info: ModelInfo
    infill_defaults: InfillDefaults = field(default_factory=InfillDefaults)
    chat: Chat | None = None
    limits: Limits = field(default_factory=Limits)
    live: LiveStreams = field(default_factory=LiveStreams)
    metrics: RequestMetrics = field(default_factory=RequestMetrics)
    loaded_at: int = field(default_factory=lambda: int(time.time()))
    load_id: str = field(default_factory=lambda: secrets.token_hex(8))
    grammars: GrammarCompiler = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is compiled yet."""
        load = partial(grammar_vocabulary, self.tokenizer, self.pieces.vocab_size)
        object.__setattr__(self, "grammars", GrammarCompiler(load))

    def end_ids(self, prompt_ids: Sequence[int]) -> frozenset[int]:
        """The end of a text, and the end of the middle where the prompt asks for one."""
        ids = self.tokenizer.eos_ids
        if self.family is not None and self.family.suffix_id in prompt_ids:
            ids |= self.family.stop_ids
        return ids

    @property
    def headers(self) -> Mapping[str, str]:
        """`x-compute-type` as TGI names it."""
        return {"x-compute-type": "cpu" if self.info.device == "cpu" else "gpu"}
