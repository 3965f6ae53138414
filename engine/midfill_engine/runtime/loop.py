"""The engine thread: takes submits and aborts, and lets `batcher` run one step after the other.

`submit`, `abort` and `close` may be called from any thread and never wait for the model. Between
two steps the inbox is emptied, so an abort takes effect by the next step.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass

from midfill_engine.errors import EngineDied, Overloaded, ValidationError
from midfill_engine.metrics import EngineLoad, StepMetrics
from midfill_engine.runtime.ahead import RunsAhead
from midfill_engine.runtime.batcher import Batcher
from midfill_engine.runtime.interface import ModelRunner
from midfill_engine.runtime.request import (
    EventSink,
    FinishReason,
    GenerationRequest,
    untold,
)
from midfill_engine.runtime.sequence import Sequence
from midfill_engine.runtime.speculate import Speculation
from midfill_engine.text.tokenizer import Tokenizer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RequestHandle:
    """The caller's end of a submitted request."""

    request_id: int
    _abort: Callable[[int], None]

    def abort(self) -> None:
        """End the request by the next step; harmless when it has ended already."""
        self._abort(self.request_id)


class EngineLoop:
    """Owns the engine thread. Every submitted request gets exactly one `Finished`."""

    def __init__(
        self,
        runner: ModelRunner,
        tokenizer: Tokenizer,
        *,
        max_requests: int = 128,
        speculate: bool = False,
    ) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            runner: the model.
            tokenizer: its vocabulary.
            max_requests: waiting and running at once.
            speculate: draft tokens and verify them, which changes no text where `runner.exact`.
        """
        self._runner = runner
        self._tokenizer = tokenizer
        self._max_requests = max_requests
        speculation = Speculation() if speculate else None
        self._interrupt = array("i", [0])  # whether a message has come, for steps that run ahead
        ahead = RunsAhead(runner, tokenizer, speculation, self._interrupt)
        self._batcher = Batcher(runner, speculation, ahead, self._note_end)
        self._inbox: queue.SimpleQueue[Sequence | int | None] = queue.SimpleQueue()
        self._ids = itertools.count(1)
        self._lock = threading.Lock()  # guards _open_requests, _current and _dead
        self._open_requests = 0
        self._current: dict[str, set[int]] = {}  # a session's requests that nobody supersedes yet
        self._dead = False
        self._closing = False
        self._failure = "the engine has stopped: restart midfill-engine, see its log"
        self._thread = threading.Thread(target=self._main, name="midfill-engine", daemon=True)

    def start(self) -> None:
        """Start the engine thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether requests can be answered."""
        return self._thread.is_alive() and not self._dead

    @property
    def failure(self) -> str | None:
        """Why no request can be answered any more, with the remedy; None while one can."""
        return None if self.alive else self._failure

    @property
    def num_open(self) -> int:
        """Requests that have not finished."""
        return self._open_requests

    @property
    def num_steps(self) -> int:
        """Model steps run so far; tests watch it to see that an abort stopped the work."""
        return self._batcher.num_steps

    @property
    def load(self) -> EngineLoad:
        """What it holds at the moment."""
        return self._batcher.load

    @property
    def steps(self) -> StepMetrics:
        """How its steps went; to be read only."""
        return self._batcher.steps

    def submit(
        self,
        request: GenerationRequest,
        sink: EventSink,
        after: int | None = None,
        on_told: Callable[[], None] = untold,
    ) -> RequestHandle:
        """Queue a request; its events go to `sink` on the engine thread.

        Args:
            request: what to continue.
            sink: takes the events.
            after: id of a request with the same prompt: this one copies what that one computes.
            on_told: called on the engine thread when all that a step has for sinks is told: once
                for all requests with the same one, so that one wake-up is enough for them.

        Raises:
            ValidationError: a token is none of the model's.
            Overloaded: too many requests are open.
            EngineDied: the engine thread has ended.
        """
        assert request.prompt_ids, "an empty prompt must be rejected by the dialect"
        assert request.most_tokens <= self._runner.max_total_tokens, (
            "too long: the dialect must check"
        )
        healed_len = 0 if request.healing is None else len(request.healing.text)
        assert request.grammar is None or request.grammar.prefix_len == healed_len, (
            "the grammar must repeat the healed text"
        )
        if (largest := max(request.prompt_ids)) >= self._runner.vocab_size:
            told = f"the prompt holds token {largest}, outside of the model's embedding"
            raise ValidationError(f"{told}: its tokenizer does not belong to its weights")
        sequence = Sequence(
            request=request,
            sink=sink,
            tokenizer=self._tokenizer,
            request_id=next(self._ids),
            submitted_at=time.perf_counter(),
            on_told=on_told,
            leader_id=after,
        )
        with self._lock:
            if self._dead:
                raise EngineDied(self._failure)
            self._admit(sequence)
            self._send(sequence)
        return RequestHandle(sequence.request_id, self._send)

    def check_integrity(self) -> None:
        """Raise AssertionError if the books disagree.

        For the engine thread between two steps, or any thread while no request is open.
        """
        self._batcher.check_integrity()
        assert self._open_requests >= self._batcher.num_held

    def close(self) -> None:
        """Abort everything and end the thread; returns when it has ended."""
        self._send(None)
        if self._thread.is_alive():
            self._thread.join()

    def _send(self, message: Sequence | int | None) -> None:
        self._inbox.put(message)
        self._interrupt[0] = 1

    def _main(self) -> None:
        try:
            self._batcher.measure()
            while True:
                self._take_messages(wait=not self._batcher.num_held)
                if self._closing:
                    break
                self._batcher.advance()
        except EngineDied as error:
            self._failure = str(error)
            logger.exception("the engine thread died")
        except Exception:
            logger.exception("the engine thread died")
        finally:
            self._die()

    def _take_messages(self, *, wait: bool) -> None:
        """Empty the inbox; block for the first message if there is nothing else to do."""
        self._interrupt[0] = 0  # first: what comes from here on is found, or sets it again
        try:
            message = self._inbox.get(block=wait)
            while True:
                self._handle(message)
                message = self._inbox.get_nowait()
        except queue.Empty:
            return

    def _handle(self, message: Sequence | int | None) -> None:
        if message is None:
            self._closing = True
        elif isinstance(message, Sequence):
            self._batcher.add(message)
        else:
            self._batcher.abort(message)

    def _admit(self, sequence: Sequence) -> None:
        """Count a request in; those that it supersedes make room for it.

        Raises:
            Overloaded: too many are open.
        """
        request = sequence.request
        current = self._current.get(request.superseded_by or "", set())
        num_ending = 0 if request.session is None else len(current)
        if self._open_requests - num_ending >= self._max_requests:
            raise Overloaded("Model is overloaded")
        self._open_requests += 1
        if request.session is not None:
            self._current[request.session] = {sequence.request_id}
        elif request.ends_with is not None:
            self._current.setdefault(request.ends_with, set()).add(sequence.request_id)

    def _note_end(self, sequence: Sequence) -> None:
        session = sequence.request.superseded_by
        with self._lock:
            self._open_requests -= 1
            current = self._current.get(session or "", set())
            current.discard(sequence.request_id)
            if session is not None and not current:
                self._current.pop(session, None)

    def _die(self) -> None:
        """Refuse what comes, finish what is open."""
        with self._lock:
            self._dead = True
        self._take_messages(wait=False)
        reason: FinishReason = "aborted" if self._closing else "error"
        self._batcher.finish_all(reason, None if self._closing else self._failure)
