"""How a request wants its tokens chosen: plain values that `serve` fills, `exec.sampling` obeys."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """Values already validated by the dialect that built them.

    Attributes:
        temperature: 0 means greedy (then top_k, top_p and seed have no effect).
        top_k: keep the k most likely tokens; None keeps all.
        top_p: keep the smallest set of tokens with this probability mass; None keeps all.
        repetition_penalty: CTRL's penalty over prompt and generated tokens (arXiv:1909.05858);
            1 means none.
        frequency_penalty: subtracted once per occurrence among the generated tokens; 0 means none.
        seed: key of the counter-based generator; the same seed and position give the same draw.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    seed: int = 0

    @property
    def greedy(self) -> bool:
        """Whether the most likely token is always taken."""
        return self.temperature == 0.0


@dataclass(frozen=True, slots=True)
class SampledToken:
    """One chosen token and its natural log-probability in the distribution it was drawn from.

    That is after penalties, temperature, top-k and top-p, as TGI reports it, and among the allowed
    tokens only where the choice was constrained.
    """

    token_id: int
    logprob: float
