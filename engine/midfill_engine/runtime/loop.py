"""The engine thread: takes submits and aborts, places, runs one step, tells what came out.

A step is shared by many sequences; who takes part stands in `schedule`. A step that fails is tried
again with one sequence at a time, and ends those that fail alone.

The only caller of the runner, so neither the runner nor the slots need locks. `submit`, `abort`
and `close` may be called from any thread and never wait for the model. Between two steps the
inbox is emptied, so an abort takes effect by the next step.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from functools import partial

from midfill_engine.errors import EngineDied, EngineError, Overloaded, ValidationError
from midfill_engine.exec.sampling_params import SampledToken
from midfill_engine.exec.work import Work
from midfill_engine.runtime.interface import ModelRunner
from midfill_engine.runtime.request import EventSink, FinishReason, GenerationRequest
from midfill_engine.runtime.schedule import next_placed, pick
from midfill_engine.runtime.sequence import Sequence
from midfill_engine.runtime.slots import SlotTable
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
        self, runner: ModelRunner, tokenizer: Tokenizer, *, max_requests: int = 128
    ) -> None:
        """Prepare; nothing runs before `start`."""
        self._runner = runner
        self._tokenizer = tokenizer
        self._max_requests = max_requests
        self._slots = SlotTable(runner.num_slots)
        self._inbox: queue.SimpleQueue[Sequence | int | None] = queue.SimpleQueue()
        self._waiting: list[Sequence] = []
        self._running: list[Sequence] = []
        self._ids = itertools.count(1)
        self._lock = threading.Lock()  # guards _open_requests and _dead
        self._open_requests = 0
        self._dead = False
        self._closing = False
        self._thread = threading.Thread(target=self._main, name="midfill-engine", daemon=True)
        self._steps = 0

    def start(self) -> None:
        """Start the engine thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether requests can be answered."""
        return self._thread.is_alive() and not self._dead

    @property
    def num_open(self) -> int:
        """Requests that have not finished."""
        return self._open_requests

    @property
    def num_steps(self) -> int:
        """Model steps run so far; tests watch it to see that an abort stopped the work."""
        return self._steps

    def submit(self, request: GenerationRequest, sink: EventSink) -> RequestHandle:
        """Queue a request; its events go to `sink` on the engine thread.

        Raises:
            ValidationError: a token is none of the model's.
            Overloaded: too many requests are open.
            EngineDied: the engine thread has ended.
        """
        assert request.prompt_ids, "an empty prompt must be rejected by the dialect"
        assert request.most_tokens <= self._runner.max_total_tokens, (
            "too long: the dialect must check"
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
            submitted_step=self._steps,
        )
        with self._lock:
            if self._dead:
                raise EngineDied("the engine has stopped: restart midfill-engine, see its log")
            if self._open_requests >= self._max_requests:
                raise Overloaded("Model is overloaded")
            self._open_requests += 1
            self._inbox.put(sequence)
        return RequestHandle(sequence.request_id, self._inbox.put)

    def check_integrity(self) -> None:
        """Raise AssertionError if the books disagree.

        For the engine thread between two steps, or any thread while no request is open.
        """
        self._slots.check_integrity()
        assert self._open_requests >= len(self._running) + len(self._waiting)
        assert self._slots.busy == sorted(s.slot for s in self._running if s.slot is not None)
        for sequence in self._running:
            assert sequence.slot is not None, "running without a slot"
            written = [*sequence.request.prompt_ids, *sequence.generated_ids]
            assert self._slots.tokens(sequence.slot) == written[: sequence.computed_len]
            assert sequence.cached_len <= sequence.computed_len < len(written)

    def close(self) -> None:
        """Abort everything and end the thread; returns when it has ended."""
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _main(self) -> None:
        try:
            while not self._closing:
                self._take_messages(wait=not (self._running or self._waiting))
                self._place_waiting()
                if self._running:
                    self._step()
        except Exception:
            logger.exception("the engine thread died")
        finally:
            self._die()

    def _take_messages(self, *, wait: bool) -> None:
        """Empty the inbox; block for the first message if there is nothing else to do."""
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
            self._supersede(message.request.session)
            self._waiting.append(message)
        else:
            for sequence in (*self._running, *self._waiting):
                if sequence.request_id == message:
                    self._finish(sequence, "aborted")

    def _supersede(self, session: str | None) -> None:
        if session is None:
            return
        for sequence in (*self._running, *self._waiting):
            if sequence.request.session == session:
                self._finish(sequence, "superseded")

    def _place_waiting(self) -> None:
        while self._waiting and self._slots.has_free:
            sequence = next_placed(self._waiting)
            self._waiting.remove(sequence)
            request = sequence.request
            placement = self._slots.acquire(
                request.prompt_ids, request.session, reuse=request.cache_prompt
            )
            assert placement is not None
            sequence.place(placement.slot, placement.cached_len)
            self._running.append(sequence)
            source = placement.copy_from
            if source is not None:  # now, while nobody has written over the source
                copy = partial(
                    self._runner.copy_prefix, source, placement.slot, placement.cached_len
                )
                self._guard(sequence, copy)

    def _guard(self, sequence: Sequence, work: Callable[[], None]) -> None:
        """Run one piece of a sequence's work; a failure ends that sequence only."""
        try:
            work()
        except EngineError as error:  # its text is for the user: no memory, no numbers
            logger.warning("request %d failed: %s", sequence.request_id, error)
            self._finish(sequence, "error", str(error))
        except Exception:
            logger.exception("request %d failed", sequence.request_id)
            self._finish(sequence, "error", "internal error, see the engine's log")

    def _step(self) -> None:
        self._steps += 1
        batch = [(sequence, sequence.next_work()) for sequence in pick(self._running)]
        if len(batch) > 1:
            try:
                results = self._runner.run([work for _, work in batch])
            except Exception as error:
                logger.warning("a step of %d failed, each is run alone: %r", len(batch), error)
            else:
                for (sequence, work), tokens in zip(batch, results, strict=True):
                    self._guard(sequence, partial(self._take, sequence, work, tokens))
                return
        for sequence, work in batch:
            self._guard(sequence, partial(self._run_alone, sequence, work))

    def _run_alone(self, sequence: Sequence, work: Work) -> None:
        self._take(sequence, work, self._runner.run([work])[0])

    def _take(self, sequence: Sequence, work: Work, tokens: Seq[SampledToken]) -> None:
        """Note what was computed, tell what was chosen, and end the sequence if that was all."""
        num_inputs = len(work.token_ids) - work.num_drafts
        self._note_computed(sequence, work.token_ids[:num_inputs])
        sequence.num_drafted += work.num_drafts
        for idx, token in enumerate(tokens):
            if idx:  # the draft token before it stood
                self._note_computed(sequence, (work.token_ids[num_inputs + idx - 1],))
                sequence.num_accepted += 1
            event = sequence.accept(token)
            if event is not None:
                sequence.sink(event)
            reason = sequence.finish_reason()
            if reason is not None:
                self._finish(sequence, reason)
                return
        if sequence.request.max_new_tokens == 0 and not sequence.prompt_left:
            self._finish(sequence, "length")

    def _note_computed(self, sequence: Sequence, token_ids: Seq[int]) -> None:
        assert sequence.slot is not None
        self._slots.extend(sequence.slot, token_ids)
        sequence.computed_len += len(token_ids)

    def _finish(self, sequence: Sequence, reason: FinishReason, error: str | None = None) -> None:
        """End a sequence wherever it stands: exactly one `Finished` leaves."""
        event = sequence.finish(reason, error)  # first: where it fails, `_guard` ends it as error
        if sequence in self._waiting:
            self._waiting.remove(sequence)
        if sequence in self._running:
            self._running.remove(sequence)
            assert sequence.slot is not None
            keep = sequence.request.cache_prompt and reason != "error"
            self._slots.release(sequence.slot, keep=keep)
        with self._lock:
            self._open_requests -= 1
        try:
            sequence.sink(event)
        except Exception:
            logger.exception("the receiver of request %d failed", sequence.request_id)

    def _die(self) -> None:
        """Refuse what comes, finish what is open."""
        with self._lock:
            self._dead = True
        self._take_messages(wait=False)
        reason: FinishReason = "aborted" if self._closing else "error"
        for sequence in (*self._running, *self._waiting):
            self._finish(sequence, reason, None if self._closing else "the engine has stopped")
