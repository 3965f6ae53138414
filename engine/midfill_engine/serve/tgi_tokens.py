"""Single tokens as TGI writes them: generated ones, alternatives, those of the prompt."""

from __future__ import annotations

import math

from midfill_engine.runtime.request import TokenEvent
from midfill_engine.serve.generation import Generation
from midfill_engine.serve.parse import Json
from midfill_engine.text.detokenize import lone_text
from midfill_engine.text.tokenizer import Tokenizer


class TokenWriter:
    """Writes the tokens of one vocabulary."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Read names and bytes of tokens from it."""
        self._tokenizer = tokenizer

    def token(self, token: TokenEvent) -> Json:
        """`Token` of a generated one."""
        return {
            "id": token.token_id,
            "text": token.text,
            "logprob": _number(token.logprob),
            "special": token.special,
        }

    def top(self, token: TokenEvent) -> list[Json]:
        """The likeliest tokens at its place, the likeliest first."""
        return [
            {
                "id": other.token_id,
                "text": lone_text(self._tokenizer, other.token_id),
                "logprob": _number(other.logprob),
                "special": self._tokenizer.is_special(other.token_id),
            }
            for other in token.top
        ]

    def stream_event(self, token: TokenEvent, index: int) -> Json:
        """`StreamResponse` of one that is not the last."""
        event: Json = {"index": index, "token": self.token(token)}
        if token.top:
            event["top_tokens"] = self.top(token)
        return {**event, "generated_text": None, "details": None}

    def prefill(self, generation: Generation) -> list[Json]:
        """`PrefillToken` of the whole prompt, the first without a log-probability; or empty."""
        if not generation.request.prompt_logprobs:
            return []
        logprobs = [_number(token.logprob) for token in generation.prompt_tokens]
        ids = generation.request.prompt_ids
        return [
            {"id": token_id, "text": lone_text(self._tokenizer, token_id), "logprob": logprob}
            for token_id, logprob in zip(ids, [None, *logprobs], strict=True)
        ]


def _number(logprob: float) -> float | None:
    """A log-probability as JSON can say it."""
    return logprob if math.isfinite(logprob) else None
