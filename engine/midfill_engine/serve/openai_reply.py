"""Completions as OpenAI writes them: choices, log-probabilities, usage, stream chunks."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from midfill_engine.exec.sampling_params import SampledToken
from midfill_engine.runtime.request import Finished, TokenEvent
from midfill_engine.serve.generation import Generation
from midfill_engine.serve.openai_request import CompletionRequest, Prompt
from midfill_engine.serve.parse import Json
from midfill_engine.serve.samples import Samples
from midfill_engine.serve.served import Served
from midfill_engine.text.tokenizer import Tokenizer

_NEVER = -9999.0
"""OpenAI's log-probability of what cannot be; JSON has no infinity."""


def completion_head(served: Served) -> Json:
    """What a reply, or every chunk of a stream, begins with."""
    return {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": served.model_id,
        "system_fingerprint": "midfill",
    }


def usage(batch: Sequence[Samples]) -> Json:
    """The counts of finished samples; a prompt counts once."""
    ends = [[generation.finished for generation in samples.generations] for samples in batch]
    prompt = sum(end[0].timings.prompt_tokens for end in ends if end[0] is not None)
    made = sum(one.timings.generated_tokens for end in ends for one in end if one is not None)
    return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}


def best(samples: Samples, num_choices: int) -> list[Generation]:
    """The samples with the highest mean log-probability, best first; all in order if no more."""
    generations = samples.generations
    if num_choices == len(generations):
        return generations

    def mean(generation: Generation) -> float:
        logprobs = [token.logprob for token in generation.tokens]
        return sum(logprobs) / max(1, len(logprobs))

    return sorted(generations, key=mean, reverse=True)[:num_choices]


@dataclass(frozen=True, slots=True)
class _Row:
    """One token of the table: its name, where it begins in all that is shown, what is told."""

    name: str
    offset: int
    logprob: float | None
    top: Json | None


class Choice:
    """One completion as it grows: what its next chunk holds.

    A whole reply is the one chunk of an ended completion.
    """

    def __init__(
        self,
        request: CompletionRequest,
        prompt: Prompt,
        scored: Generation,
        index: int,
        tokenizer: Tokenizer,
    ) -> None:
        """Begin with nothing; `scored` is the prompt's first sample, which alone scores it."""
        self._echo = request.echo
        self._logprobs = request.logprobs
        self._prompt = prompt
        self._scored = scored
        self._index = index
        self._tokenizer = tokenizer
        self._text = ""  # not taken yet
        self._tokens: list[TokenEvent] = []  # not taken yet
        self._finished: Finished | None = None
        self._ahead = 0  # how much longer the text is than that of the tokens taken
        self._offset = 0  # of the next generated token in all that is shown

    def feed(self, event: TokenEvent | Finished) -> None:
        """Take the generation's next event."""
        self._text += event.delta
        self._ahead += len(event.delta)
        if isinstance(event, Finished):
            self._finished = event
        elif not event.special:
            self._tokens.append(event)

    def take(self) -> Json:
        """What came since the last call."""
        text, self._text = self._text, ""
        rows: list[_Row] = []
        if self._echo:
            self._echo = False
            text = self._prompt.text + text
            self._offset = len(self._prompt.text)
            rows += self._prompt_rows() if self._logprobs else []
        rows += [self._token_row(token) for token in self._shown_tokens()]
        return {
            "index": self._index,
            "text": text,
            "logprobs": _table(rows) if self._logprobs else None,
            "finish_reason": _finish_reason(self._finished),
        }

    def _shown_tokens(self) -> list[TokenEvent]:
        """Those of the text shown by now: none of a stop text, none that is held back."""
        finished = self._finished
        takes_all = finished is not None and finished.reason != "stop_sequence"
        shown: list[TokenEvent] = []
        while self._tokens and (takes_all or self._ahead > 0):
            shown.append(self._tokens.pop(0))
            self._ahead -= len(shown[-1].text)
        return shown

    def _prompt_rows(self) -> list[_Row]:
        """The prompt's tokens; the first of all has no log-probability."""
        starts = self._prompt.starts
        rows = [
            self._row(token, start)
            for token, start in zip(self._scored.prompt_tokens, starts[1:], strict=True)
        ]
        first = self._prompt.generation.prompt_ids[0]
        if first != self._tokenizer.bos_id:
            rows.insert(0, _Row(self._name(first), starts[0], None, None))
        return rows

    def _token_row(self, token: TokenEvent) -> _Row:
        row = self._row(token, self._offset)
        self._offset += len(token.text)
        return row

    def _row(self, token: SampledToken | TokenEvent, offset: int) -> _Row:
        name = self._name(token.token_id)
        told: Json = {name: _finite(token.logprob)}
        for found in token.top:  # likeliest first: of two with one name the likelier is told
            told.setdefault(self._name(found.token_id), _finite(found.logprob))
        return _Row(name, offset, _finite(token.logprob), told)

    def _name(self, token_id: int) -> str:
        """Its text; part of a character is spelled out, as OpenAI does."""
        if self._tokenizer.is_special(token_id):
            return self._tokenizer.token_text(token_id)
        data = self._tokenizer.token_bytes(token_id)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


def _table(rows: Sequence[_Row]) -> Json:
    return {
        "tokens": [row.name for row in rows],
        "token_logprobs": [row.logprob for row in rows],
        "top_logprobs": [row.top for row in rows],
        "text_offset": [row.offset for row in rows],
    }


def _finish_reason(finished: Finished | None) -> str | None:
    if finished is None:
        return None
    return "length" if finished.reason == "length" else "stop"


def _finite(logprob: float) -> float:
    return logprob if math.isfinite(logprob) else _NEVER
