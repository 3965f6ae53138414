"""How a request wants its tokens chosen: plain values that `serve` fills, `exec.sampling` obeys."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """Values already validated by the dialect that built them.

    Attributes:
        temperature: 0 means greedy (then what narrows the choice and the seed have no effect).
        top_k: keep the k most likely tokens; None keeps all.
        top_p: keep the smallest set of tokens with this probability mass; None keeps all.
        min_p: keep the tokens at least that many times as likely as the likeliest; None keeps all.
        typical_p: keep the set of this probability mass whose surprise is nearest to the expected
            one (arXiv:2202.00666); None keeps all.
        repetition_penalty: CTRL's penalty over prompt and generated tokens (arXiv:1909.05858);
            1 means none.
        frequency_penalty: subtracted once per occurrence among the generated tokens; 0 means none.
        presence_penalty: subtracted once from what was generated at all; 0 means none.
        logit_bias: (token id, what is added to its score), ids within the vocabulary.
        watermark: favour a half of the vocabulary that hangs on the token before
            (arXiv:2301.10226), in greedy choice too.
        seed: key of the counter-based generator; the same seed and position give the same draw.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    seed: int = 0
    min_p: float | None = None
    typical_p: float | None = None
    presence_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    watermark: bool = False

    @property
    def greedy(self) -> bool:
        """Whether the most likely token is always taken."""
        return self.temperature == 0.0

    @property
    def rescored(self) -> bool:
        """Whether scores are changed before the choice: watermark, bias or penalties."""
        return (
            self.watermark
            or bool(self.logit_bias)
            or self.repetition_penalty != 1.0
            or self.frequency_penalty != 0.0
            or self.presence_penalty != 0.0
        )


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token that might stand at a place, and its natural log-probability there."""

    token_id: int
    logprob: float


@dataclass(frozen=True, slots=True)
class SampledToken:
    """One token and its natural log-probability.

    Of a chosen one in the distribution it was drawn from: after penalties, temperature and
    whatever narrows the choice, as TGI reports it, and among the allowed tokens only where the
    choice was constrained. Of a scored token of the prompt: in the model's own distribution.

    Attributes:
        top: the likeliest tokens of the same distribution, see `exec.logprobs.likeliest`.
    """

    token_id: int
    logprob: float
    top: tuple[TokenLogprob, ...] = ()
