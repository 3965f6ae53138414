"""What goes into the engine thread and what comes out of it: plain values, no torch, no HTTP.

`serve` builds a `GenerationRequest`, `runtime.loop` answers it with a `PromptScored` where it was
asked for, any number of `TokenEvent` and exactly one `Finished`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from midfill_engine.exec.constrain import Grammar
from midfill_engine.exec.sampling_params import SampledToken, SamplingParams, TokenLogprob
from midfill_engine.text.heal import Healing

FinishReason: TypeAlias = Literal[
    "length", "eos_token", "stop_sequence", "aborted", "superseded", "error"
]


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One sequence to continue.

    Attributes:
        prompt_ids: token ids, at least one; `most_tokens` fit the context.
        max_new_tokens: at least 0; with 0 the prompt is only put into the cache (a warm-up).
            Tokens that only repeat healed text do not count.
        stop: texts that end the generation.
        stop_token_ids: token ids that end it (end of sequence, end of infill).
        session: requests of one session share a cache slot, and a new one supersedes a running
            one; None belongs to no session.
        ends_with: a session whose next request ends this one too, which is not of it: one of
            several samples.
        cache_prompt: False computes the prompt anew and leaves nothing behind.
        draft: tokens that may well be the answer; a hint for speed that never changes it.
        healing: text that was taken back from the prompt: the answer is made to begin with it,
            and no event tells of it.
        prompt_logprobs: tell the log-probability of every token of the prompt but the first; the
            whole prompt is computed for it, whatever is in the cache.
        top_n: how many of the likeliest tokens are told beside each token.
        grammar: what the answer has to obey, compiled with the healed text as its prefix; token
            ids that end it come only where it is satisfied.
    """

    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    sampling: SamplingParams = field(default_factory=SamplingParams)
    stop: tuple[str, ...] = ()
    stop_token_ids: frozenset[int] = frozenset()
    session: str | None = None
    ends_with: str | None = None
    cache_prompt: bool = True
    healing: Healing | None = None
    draft: tuple[int, ...] = ()
    prompt_logprobs: bool = False
    top_n: int = 0
    grammar: Grammar | None = None

    @property
    def superseded_by(self) -> str | None:
        """The session whose next request ends this one."""
        return self.session or self.ends_with

    @property
    def most_tokens(self) -> int:
        """Positions that it may take; healed text is repeated in at most one token per byte."""
        healed_len = 0 if self.healing is None else len(self.healing.text)
        return len(self.prompt_ids) + healed_len + self.max_new_tokens


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds on the engine thread's clock, and the token counts that belong to them.

    Tokens that only repeat healed text are in the milliseconds and among those that were drafted
    and accepted, not in the other counts.
    """

    queue_ms: float
    prefill_ms: float
    decode_ms: float
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    drafted_tokens: int = 0
    accepted_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """One token was chosen, and it is more than a repetition of healed text.

    Attributes:
        token_id: the token.
        text: the token's own text: what it completes of the UTF-8 stream (maybe empty) behind
            healed text, or a special token's name.
        delta: text that may be shown now: special tokens and stop texts are never in it, and
            what might become a stop text is held back until it is decided.
        logprob: natural log-probability, see `exec.sampling_params.SampledToken`.
        special: whether the token is a special one of the tokenizer.
        top: the likeliest tokens at its place, as many as were asked for.
    """

    token_id: int
    text: str
    delta: str
    logprob: float
    special: bool
    top: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptScored:
    """The prompt's tokens from the second on, each with its log-probability behind those before.

    Comes once, before the first token, if the request has `prompt_logprobs`.
    """

    tokens: tuple[SampledToken, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of a request.

    Attributes:
        reason: why it ended. `eos_token` covers every id of `stop_token_ids`, and a grammar that is
            satisfied and lets nothing follow.
        delta: text that was held back and turned out to be no stop text.
        stop_sequence: the stop text that matched.
        error: one line for the user when reason is `error`.
    """

    reason: FinishReason
    delta: str
    timings: Timings
    stop_sequence: str | None = None
    error: str | None = None


Event: TypeAlias = PromptScored | TokenEvent | Finished
EventSink: TypeAlias = Callable[[Event], None]
"""Called on the engine thread; must return at once."""


def untold() -> None:
    """What is called behind a step's events where nobody waits for that."""
