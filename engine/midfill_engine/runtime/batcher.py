"""The open sequences and their steps: placed, run together, told what came out, ended.

A step is shared by many sequences; who takes part stands in `schedule`, what is drafted in
`speculate`. A step that fails is tried again with one sequence at a time, and ends those that fail
alone. The only caller of the runner, so neither the runner nor the slots need locks: everything
here runs on the engine thread. Called by `loop`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from collections.abc import Sequence as Seq
from functools import partial

from midfill_engine.errors import EngineDied, EngineError
from midfill_engine.exec.sampling_params import SampledToken
from midfill_engine.exec.work import Work
from midfill_engine.metrics import EngineLoad, Method, StepMetrics
from midfill_engine.model.ahead import Ahead
from midfill_engine.runtime.ahead import RunsAhead
from midfill_engine.runtime.draft import Drafter
from midfill_engine.runtime.interface import ModelRunner
from midfill_engine.runtime.request import FinishReason
from midfill_engine.runtime.schedule import next_placed, pick, placeable
from midfill_engine.runtime.sequence import Sequence
from midfill_engine.runtime.slots import SlotTable
from midfill_engine.runtime.speculate import Speculation
from midfill_engine.runtime.tell import Teller

logger = logging.getLogger(__name__)


class Batcher:
    """Every sequence that was added gets exactly one `Finished`.

    Attributes:
        steps: how the steps went, for `/metrics`.
    """

    def __init__(
        self,
        runner: ModelRunner,
        speculation: Speculation | None,
        ahead: RunsAhead,
        on_end: Callable[[Sequence], None],
    ) -> None:
        """Begin with no sequence; `on_end` is called with each before its `Finished`."""
        self._runner = runner
        self._speculation = speculation
        self._ahead = ahead
        self._on_end = on_end
        self._slots = SlotTable(runner.num_slots)
        self._waiting: list[Sequence] = []
        self._running: list[Sequence] = []
        self._num_steps = 0
        self._teller = Teller()
        self.steps = StepMetrics()

    @property
    def num_steps(self) -> int:
        """Steps run so far."""
        return self._num_steps

    @property
    def num_held(self) -> int:
        """Sequences that wait or run."""
        return len(self._waiting) + len(self._running)

    @property
    def load(self) -> EngineLoad:
        """What it holds; any thread may ask."""
        running = tuple(self._running)
        tokens = sum(sequence.request.most_tokens for sequence in running)
        return EngineLoad(len(self._waiting), len(running), tokens)

    def add(self, sequence: Sequence) -> None:
        """Take a sequence in; it supersedes those of its session."""
        session = sequence.request.session
        if session is not None:
            self._finish_those(lambda old: old.request.superseded_by == session, "superseded")
            self._teller.told()
        sequence.submitted_step = self._num_steps
        held = (*self._running, *self._waiting)
        leaders = (one for one in held if one.request_id == sequence.leader_id)
        sequence.leader = next(leaders, None)
        self._waiting.append(sequence)

    def abort(self, request_id: int) -> None:
        """End a sequence, if it has not ended."""
        self._finish_those(lambda old: old.request_id == request_id, "aborted")
        self._teller.told()

    def finish_all(self, reason: FinishReason, error: str | None = None) -> None:
        """End every sequence."""
        self._finish_those(lambda _: True, reason, error)
        self._teller.told()

    def measure(self) -> None:
        """Time steps while nothing runs, for the length of drafts, and get ready to run ahead."""
        self._ahead.measure()
        if self._speculation is not None:
            try:
                self._speculation.measure(self._runner)
            except EngineDied:
                raise
            except Exception:
                logger.exception("steps cannot be measured: nothing will be drafted")

    def check_integrity(self) -> None:
        """Raise AssertionError if the books disagree; for use between two steps."""
        self._slots.check_integrity()
        assert self._slots.busy == sorted(s.slot for s in self._running if s.slot is not None)
        for sequence in self._running:
            assert sequence.slot is not None, "running without a slot"
            written = [*sequence.request.prompt_ids, *sequence.generated_ids]
            assert self._slots.tokens(sequence.slot) == written[: sequence.computed_len]
            assert sequence.cached_len <= sequence.computed_len < len(written)

    def advance(self) -> None:
        """Place what waits and run one step, if anything can run."""
        self._place_waiting()
        if self._running:
            self._step()
        self._teller.told()
        self._teller.give_way()

    def _place_waiting(self) -> None:
        num_slots = self._runner.num_slots
        while self._slots.has_free and (
            ready := placeable(self._waiting, self._running, num_slots)
        ):
            sequence = next_placed(ready)
            self._waiting.remove(sequence)
            request = sequence.request
            placement = self._slots.acquire(
                sequence.prompt, request.session, reuse=sequence.reuses_cache
            )
            assert placement is not None
            sequence.place(placement.slot, placement.cached_len)
            if self._speculation is not None:
                rates = self._speculation.rates
                sequence.drafter = Drafter(sequence.prompt, request.draft, rates)
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
        except EngineDied:  # not this sequence's failure: the others would meet it too
            raise
        except EngineError as error:  # its text is for the user: no memory, no numbers
            logger.warning("request %d failed: %s", sequence.request_id, error)
            self._finish(sequence, "error", str(error))
        except Exception:
            logger.exception("request %d failed", sequence.request_id)
            self._finish(sequence, "error", "internal error, see the engine's log")

    def _step(self) -> None:
        self._num_steps += 1
        batch = self._prepared(pick(self._running))
        if not batch:
            return
        ahead = None if self._waiting else self._ahead.wanted(batch)
        if ahead is not None:
            self._guard(batch[0], partial(self._run_ahead, batch[0], ahead))
            return
        speculation = self._speculation
        works = speculation.plan(batch) if speculation else [s.next_work() for s in batch]
        method: Method = "prefill" if any(work.has_prompt for work in works) else "decode"
        self.steps.started[method] += 1
        began = time.perf_counter()
        try:
            results = self._runner.run(works)
        except EngineDied:
            raise
        except Exception as error:
            name = type(error).__name__
            logger.warning("a step of %d failed (%s): each is run alone", len(batch), name)
            for sequence, work in zip(batch, works, strict=True):
                self._guard(sequence, partial(self._run_alone, sequence, work))
            return
        took_s = time.perf_counter() - began
        self.steps.note(method, took_s)
        if speculation:
            speculation.note(works, took_s * 1e3)
        for sequence, work, tokens in zip(batch, works, results, strict=True):
            self._guard(sequence, partial(self._take, sequence, work, tokens))

    def _prepared(self, batch: list[Sequence]) -> list[Sequence]:
        """Those of a batch that can go on; the others have ended."""
        for sequence in batch:
            self._guard(sequence, sequence.prepare)
        return [sequence for sequence in batch if sequence in self._running]

    def _run_ahead(self, sequence: Sequence, ahead: Ahead) -> None:
        """Run steps that follow each other, and tell what all of them made."""
        for idx, (step, tokens) in enumerate(self._ahead.run(ahead)):
            self._num_steps += idx > 0  # the first is counted already
            self.steps.started["decode"] += 1
            self.steps.note("decode", step.ms / 1e3)
            if not sequence.ended:
                self._note_computed(sequence, sequence.generated_ids[-1:])
                sequence.num_drafted += step.num_rows - 1
                self._accept(sequence, tokens)

    def _run_alone(self, sequence: Sequence, work: Work) -> None:
        self._take(sequence, work, self._runner.run([work])[0])

    def _take(self, sequence: Sequence, work: Work, tokens: Seq[SampledToken]) -> None:
        """Note what was computed, tell what was chosen, and end the sequence if that was all."""
        num_scored = len(work.scored_ids)
        self._note_computed(sequence, work.token_ids[: len(work.token_ids) - work.num_drafts])
        sequence.num_drafted += work.num_drafts
        scored = sequence.accept_scored(tokens[:num_scored])
        if scored is not None:
            self._teller.tell(sequence, scored)
        self._accept(sequence, tokens[num_scored:])
        if sequence.request.max_new_tokens == 0 and not sequence.prompt_left:
            self._finish(sequence, "length")

    def _accept(self, sequence: Sequence, tokens: Iterable[SampledToken]) -> None:
        """Tell what a step has chosen: the first behind its inputs, each behind the one before."""
        before: int | None = None
        for token in tokens:
            if before is not None:  # a draft token, which stood
                self._note_computed(sequence, (before,))
                sequence.num_accepted += 1
            before = token.token_id
            event = sequence.accept(token)
            if event is not None:
                self._teller.tell(sequence, event)
            reason = sequence.finish_reason()
            if reason is not None:
                self._finish(sequence, reason)
                return

    def _note_computed(self, sequence: Sequence, token_ids: Seq[int]) -> None:
        assert sequence.slot is not None
        self._slots.extend(sequence.slot, token_ids)
        sequence.computed_len += len(token_ids)

    def _finish_those(
        self, which: Callable[[Sequence], bool], reason: FinishReason, error: str | None = None
    ) -> None:
        for sequence in (*self._running, *self._waiting):
            if which(sequence):
                self._finish(sequence, reason, error)

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
        self._on_end(sequence)
        try:
            self._teller.tell(sequence, event)
        except Exception:
            logger.exception("the receiver of request %d failed", sequence.request_id)
