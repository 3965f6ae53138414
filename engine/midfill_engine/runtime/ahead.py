"""Which steps may follow each other without a word in between, and what ends them.

One sequence that has the engine to itself, whose tokens are simply the best ones: then several
steps are one call of the kernels, and its tokens are told together. Between two steps of a call
nothing is due but that somebody else comes, the text is over, or it has not been told of for too
long. Called by `batcher`.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from collections.abc import Sequence as Seq
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from midfill_engine.exec.sampling import checked
from midfill_engine.exec.sampling_params import SampledToken
from midfill_engine.model.ahead import Ahead, StepMade
from midfill_engine.runtime.interface import ModelRunner
from midfill_engine.runtime.sequence import Sequence
from midfill_engine.runtime.speculate import Speculation
from midfill_engine.text.tokenizer import Tokenizer

BUDGET_MS = 4.0
"""How long text may wait to be told: a quarter of a frame of a screen. And no longer than text has
been coming, since an editor often needs a second or third token to know what to show."""
_LINE = ("\n",)


class RunsAhead:
    """Finds out what may be run ahead."""

    def __init__(
        self,
        runner: ModelRunner,
        tokenizer: Tokenizer,
        speculation: Speculation | None,
        interrupt: array[int],
    ) -> None:
        """Serve one engine; `interrupt` is set where a message comes for it."""
        self._run = runner.run_ahead
        self._tokenizer = tokenizer
        self._vocab_size = runner.vocab_size
        self._speculation = speculation
        self._interrupt = interrupt
        self._ends = lru_cache(maxsize=32)(self._find_ends)
        self._bytes_of = lru_cache(maxsize=8)(self._find_holders)

    def measure(self) -> None:
        """Look through the vocabulary for ends of lines, which every editor's engine needs."""
        if self._run is not None and self._tokenizer.kind != "other":
            self._ends(frozenset[int](), _LINE)

    def wanted(self, running: Seq[Sequence]) -> Ahead | None:
        """Return the steps that may be run at once, None where it is one at a time."""
        if self._run is None or len(running) != 1:
            return None
        (sequence,) = running
        request = sequence.request
        if sequence.prompt_left or sequence.told_at is None or request.grammar is not None:
            return None
        work = sequence.next_work()
        if not work.plain or (request.stop and self._tokenizer.kind == "other"):
            return None
        speculation = self._speculation
        return Ahead(
            slot=work.slot,
            last=work.token_ids[0],
            position=work.start,
            most_tokens=sequence.most_drafts + 1,
            ends=self._ends(request.stop_token_ids, request.stop),
            interrupt=self._interrupt,
            budget_ms=min(BUDGET_MS, (time.perf_counter() - sequence.told_at) * 1e3),
            guesses=None if speculation is None else speculation.guesses(sequence),
        )

    def run(self, ahead: Ahead) -> Iterator[tuple[StepMade, Iterator[SampledToken]]]:
        """Run them; yields each with its tokens, which raise EngineError where one is none."""
        assert self._run is not None, "nothing was wanted"
        for step in self._run(ahead):
            if self._speculation is not None:
                self._speculation.note_ahead(step)
            yield step, map(checked, map(SampledToken, step.token_ids, step.logprobs))

    def _find_ends(
        self, stop_token_ids: frozenset[int], stop: tuple[str, ...]
    ) -> npt.NDArray[np.uint8]:
        """Tokens that end an answer, or hold the last byte of a text that does."""
        ends = np.zeros(self._vocab_size, np.uint8)
        for last in {text.encode()[-1] for text in stop if text}:
            ends |= self._bytes_of(last)
        ends[[token_id for token_id in stop_token_ids if token_id < self._vocab_size]] = 1
        return ends

    def _find_holders(self, byte: int) -> npt.NDArray[np.uint8]:
        """Tokens that hold a byte."""
        spelled = map(self._tokenizer.token_bytes, range(self._vocab_size))
        return np.fromiter((byte in piece for piece in spelled), np.uint8, self._vocab_size)
