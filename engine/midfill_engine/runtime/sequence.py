"""One request on its way through the engine: what is computed, what was said, when.

Owned by the engine thread. Turns chosen tokens into events: text is cut at UTF-8 boundaries, stop
texts are found and held back, and the end is decided.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field, replace

from midfill_engine.exec.sampling_params import SampledToken
from midfill_engine.exec.work import Work
from midfill_engine.runtime.draft import Drafter
from midfill_engine.runtime.request import (
    EventSink,
    Finished,
    FinishReason,
    GenerationRequest,
    PromptScored,
    Timings,
    TokenEvent,
    untold,
)
from midfill_engine.runtime.restriction import Restriction
from midfill_engine.text.detokenize import Detokenizer
from midfill_engine.text.stop import StopMatcher
from midfill_engine.text.tokenizer import Tokenizer

PREFILL_CHUNK = 256
"""Prompt tokens a step: bounds how long an abort or another request waits. Fixed, not adapted to
the measured speed or the load, so that a prompt is always split alike."""


@dataclass(slots=True, eq=False)
class Sequence:
    """State of one request.

    Positions [0, computed_len) of prompt + generated tokens are in the slot's cache.

    Attributes:
        prompt: the request's token ids, for whoever looks at all of them.
        told_at: when the first token of the answer was told, None before.
        leader_id: the request whose prompt it shares, if any.
        leader: that one's sequence, if it was there: this one is placed once its prompt is
            computed, and copies it.
    """

    request: GenerationRequest
    sink: EventSink
    tokenizer: Tokenizer
    request_id: int
    submitted_at: float
    on_told: Callable[[], None] = untold
    leader_id: int | None = None
    submitted_step: int = 0
    slot: int | None = None
    computed_len: int = 0
    cached_len: int = 0
    generated_ids: list[int] = field(default_factory=list[int])
    placed_at: float | None = None
    first_token_at: float | None = None
    drafter: Drafter | None = None
    num_drafted: int = 0
    num_accepted: int = 0
    told_at: float | None = None
    ended: bool = False
    leader: Sequence | None = None
    prompt: array[int] = field(init=False)
    _scored: list[SampledToken] = field(default_factory=list[SampledToken])
    _restriction: Restriction = field(init=False)
    _detokenizer: Detokenizer = field(init=False)
    _stops: StopMatcher = field(init=False)

    def __post_init__(self) -> None:
        """Give the sequence its own incremental decoders."""
        self.prompt = array("I", self.request.prompt_ids)
        self._restriction = Restriction(self.request, self.tokenizer)
        healing = self.request.healing
        healed_len = 0 if healing is None else len(healing.text)
        self._detokenizer = Detokenizer(self.tokenizer, skip_bytes=healed_len)
        self._stops = StopMatcher(self.request.stop)

    @property
    def prompt_left(self) -> int:
        """Prompt tokens not yet in the cache."""
        return max(0, len(self.request.prompt_ids) - self.computed_len)

    @property
    def ready(self) -> bool:
        """Whether it may be placed: a leader's prompt is not computed a second time beside it."""
        leader = self.leader
        return leader is None or leader.ended or not leader.prompt_left

    @property
    def reuses_cache(self) -> bool:
        """Whether it begins with what the cache holds: its leader's prompt is always wanted."""
        request = self.request
        wanted = request.cache_prompt or self.leader is not None
        return wanted and not request.prompt_logprobs

    def place(self, slot: int, cached_len: int) -> None:
        """Start on a slot whose first `cached_len` positions are readable."""
        self.slot, self.cached_len, self.computed_len = slot, cached_len, cached_len
        self.placed_at = time.perf_counter()

    @property
    def samples_next(self) -> bool:
        """Whether the next step chooses a token."""
        return self.prompt_left <= PREFILL_CHUNK and self.request.max_new_tokens > 0

    def prepare(self) -> None:
        """Find out what the next step may choose.

        Raises:
            EngineError: the request's grammar does not go on.
        """
        if self.samples_next:
            self._restriction.mask()

    def next_work(self) -> Work:
        """Return what runs in the next step: a chunk of the prompt, or the last token."""
        assert self.slot is not None
        request, start = self.request, self.computed_len
        scored: Seq[int] = ()
        if self.prompt_left:
            token_ids: Seq[int] = request.prompt_ids[start : start + PREFILL_CHUNK]
            if request.prompt_logprobs:
                scored = request.prompt_ids[start + 1 : start + 1 + len(token_ids)]
        else:
            token_ids = self.generated_ids[-1:]
        if not self.samples_next:
            return Work(self.slot, token_ids, start, scored_ids=scored, top_n=request.top_n)
        allowed = self._restriction.mask()
        return Work(
            slot=self.slot,
            token_ids=token_ids,
            start=start,
            sampling=request.sampling,
            prompt_ids=request.prompt_ids,
            generated_ids=self.generated_ids,
            allowed=() if allowed is None else (allowed,),
            scored_ids=scored,
            top_n=request.top_n,
        )

    @property
    def most_drafts(self) -> int:
        """Draft tokens that could all be part of the answer, if one more comes behind them."""
        return self.request.max_new_tokens - self._num_new - 1

    def with_drafts(self, work: Work, drafts: Seq[int]) -> Work:
        """Return `next_work`'s work with drafts behind it, as many as may come."""
        allowed = work.allowed
        if allowed:  # what may come next hangs on what came
            behind = self._restriction.along(drafts)
            allowed = (*allowed, *behind)
            drafts = drafts[: len(behind)]
        return replace(
            work,
            token_ids=[*work.token_ids, *drafts],
            num_drafts=len(drafts),
            allowed=allowed,
        )

    def accept_scored(self, tokens: Seq[SampledToken]) -> PromptScored | None:
        """Take scores of the prompt's tokens in; returns them all once the prompt is computed."""
        self._scored += tokens
        if not self.request.prompt_logprobs or self.prompt_left or self.generated_ids:
            return None
        return PromptScored(tuple(self._scored))

    def accept(self, token: SampledToken) -> TokenEvent | None:
        """Take a sampled token in and return what to tell about it, if anything."""
        if self.first_token_at is None:
            self.first_token_at = time.perf_counter()
        self.generated_ids.append(token.token_id)
        if self.drafter is not None:
            self.drafter.accept(token.token_id)
        ends = token.token_id in self.request.stop_token_ids
        special = ends or self.tokenizer.is_special(token.token_id)
        completed = "" if special else self._detokenizer.feed(token.token_id)
        if self._restriction.accept(token.token_id):
            return None
        return TokenEvent(
            token_id=token.token_id,
            text=self.tokenizer.token_text(token.token_id) if special else completed,
            delta=self._stops.feed(completed),
            logprob=token.logprob,
            special=special,
            top=token.top,
        )

    def finish_reason(self) -> FinishReason | None:
        """Return why the sequence ends after the last accepted token, or None."""
        if self._stops.matched is not None:
            return "stop_sequence"
        if self.generated_ids and self.generated_ids[-1] in self.request.stop_token_ids:
            return "eos_token"
        if self._restriction.complete:
            return "eos_token"
        if self._num_new >= self.request.max_new_tokens:
            return "length"
        return None

    @property
    def _num_new(self) -> int:
        """Generated tokens that are part of the answer."""
        return len(self.generated_ids) - self._restriction.num_repeated

    def finish(self, reason: FinishReason, error: str | None = None) -> Finished:
        """Return the last event; what was held back goes along unless a stop text matched."""
        self.ended = True
        delta = ""
        if reason in ("length", "eos_token"):
            delta = self._stops.feed(self._detokenizer.flush())
            if self._stops.matched is None:
                delta += self._stops.flush()
            else:
                reason = "stop_sequence"
        return Finished(
            reason=reason,
            delta=delta,
            timings=self._timings(),
            stop_sequence=self._stops.matched,
            error=error,
        )

    def _timings(self) -> Timings:
        now = time.perf_counter()
        placed_at = now if self.placed_at is None else self.placed_at
        first_at = now if self.first_token_at is None else self.first_token_at
        return Timings(
            queue_ms=(placed_at - self.submitted_at) * 1e3,
            prefill_ms=(first_at - placed_at) * 1e3,
            decode_ms=(now - first_at) * 1e3,
            prompt_tokens=len(self.request.prompt_ids),
            cached_tokens=self.cached_len,
            generated_tokens=self._num_new,
            drafted_tokens=self.num_drafted,
            accepted_tokens=self.num_accepted,
        )
