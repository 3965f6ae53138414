"""One completion as llama.cpp shows it: text, ids, the reply, and two ends of its own.

Its `n_indent` and `t_max_predict_ms` end a completion by what it says and how long it takes: the
engine's request is aborted then, and the reply says `limit`. Used by `llama`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import cast

from midfill_engine.runtime.request import Finished, TokenEvent
from midfill_engine.serve.generation import Generation, checked
from midfill_engine.serve.llama_options import LlamaOptions
from midfill_engine.serve.parse import Json
from midfill_engine.serve.served import Served


class Completion:
    """What came of one generation so far.

    Attributes:
        text: what is shown.
        generation: what it is made of.
        finished: the end, once it came; a limit of ours makes it one of length.
    """

    def __init__(self, generation: Generation, options: LlamaOptions) -> None:
        """Begin with nothing."""
        self.text = ""
        self.finished: Finished | None = None
        self.generation = generation
        self._options = options
        self._line = _Lines(options.min_indent)
        self._first_token_at: float | None = None
        self._limited = False
        self._num_taken = 0
        self._offset = 0

    def feed(self, event: TokenEvent | Finished) -> str:
        """Take the generation's next event; returns the text to show now.

        Raises:
            GenerationFailed: the engine could not finish it.
            IncompleteGeneration: the engine is shutting down.
        """
        if isinstance(event, Finished):
            ended = replace(event, reason="length") if self._limited else event
            self.finished = checked(ended)
        elif self._first_token_at is None:
            self._first_token_at = perf_counter()
        if self._limited:
            return ""
        shown = self._line.feed(event.delta)
        self.text += shown
        if self.finished is None and (self._line.dedented or self._out_of_time()):
            self._limited = True
            self.generation.cut()
        elif self.finished is not None and self._line.dedented:
            self.finished = replace(self.finished, reason="length", stop_sequence=None)
        return shown

    def take_tokens(self) -> list[TokenEvent]:
        """The tokens that the shown text is made of and that were not taken yet.

        No special ones are among them, and none of a stop text.
        """
        finished = self.finished
        whole = finished is not None and finished.reason != "stop_sequence"
        takes_all = whole and not self._limited and not self._line.dedented
        taken: list[TokenEvent] = []
        for token in self.generation.tokens[self._num_taken :]:
            if not token.special:
                if not takes_all and self._offset >= len(self.text):
                    break
                taken.append(token)
                self._offset += len(token.text)
            self._num_taken += 1
        return taken

    def _out_of_time(self) -> bool:
        limit_ms = self._options.max_predict_ms
        if limit_ms is None or not self._line.any_ended or self._first_token_at is None:
            return False
        return (perf_counter() - self._first_token_at) * 1e3 > limit_ms


class _Lines:
    """Cuts a growing text before the first line, but the first, that is indented too little.

    Attributes:
        any_ended: whether a line has ended.
        dedented: whether such a line came; nothing is shown from it on.
    """

    def __init__(self, min_indent: int) -> None:
        self.any_ended = False
        self.dedented = False
        self._min_indent = min_indent
        self._indent: int | None = None  # of the line that has only white space so far

    def feed(self, delta: str) -> str:
        for idx, character in enumerate(delta):
            if self._indent is not None:
                if character in " \t":
                    self._indent += 1
                elif self._indent < self._min_indent:
                    self.dedented = True
                    return delta[:idx]
                else:
                    self._indent = None
            if character == "\n":
                self.any_ended = True
                self._indent = 0
        return delta


def final_fields(completion: Completion, options: LlamaOptions, served: Served) -> Json:
    """What the reply, or the last event, holds beside text and ids."""
    finished = completion.finished
    assert finished is not None
    timings = finished.timings
    reply: Json = {
        "stop": True,
        "stop_type": _STOP_TYPES.get(finished.reason, "none"),
        "stopping_word": finished.stop_sequence or "",
        "model": served.model_id,
        "tokens_cached": timings.cached_tokens,
        "tokens_evaluated": timings.prompt_tokens,
        "tokens_predicted": timings.generated_tokens,
        "generation_settings": settings(
            options, served, n_predict=completion.generation.request.max_new_tokens
        ),
        "timings": {
            "cache_n": timings.cached_tokens,
            **_pace("prompt", timings.prompt_tokens - timings.cached_tokens, timings.prefill_ms),
            **_pace("predicted", timings.generated_tokens, timings.decode_ms),
            "draft_n": timings.drafted_tokens,
            "draft_n_accepted": timings.accepted_tokens,
            "queue_ms": round(timings.queue_ms, 3),
        },
    }
    if finished.reason == "superseded":
        reply["superseded"] = True
    return reply


def settings(options: LlamaOptions, served: Served, *, n_predict: int) -> Json:
    """llama.cpp's `generation_settings`: what holds for a request."""
    sampling = options.sampling
    return {
        "n_ctx": served.max_total_tokens,
        "n_predict": n_predict,
        "seed": sampling.seed,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k or 0,
        "top_p": 1.0 if sampling.top_p is None else sampling.top_p,
        "min_p": sampling.min_p or 0.0,
        "repeat_penalty": sampling.repetition_penalty,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "stop": list(options.stop),
        "stream": options.stream,
        "n_probs": options.num_probs,
    }


def select(reply: Mapping[str, object], paths: tuple[str, ...] | None) -> Json:
    """The parts of a reply that `response_fields` names, each under its whole path."""
    if paths is None:
        return dict(reply)
    found: Json = {}
    for path in paths:
        value: object = reply
        for name in path.split("/"):
            inner = cast("Json", value) if isinstance(value, dict) else dict[str, object]()
            value = inner.get(name, _ABSENT)
        if value is not _ABSENT:
            found[path] = value
    return found


def _pace(name: str, count: int, total_ms: float) -> Json:
    return {
        f"{name}_n": count,
        f"{name}_ms": round(total_ms, 3),
        f"{name}_per_token_ms": round(total_ms / count, 3) if count else 0.0,
        f"{name}_per_second": round(count * 1e3 / total_ms, 3) if total_ms > 0 else 0.0,
    }


_ABSENT = object()
_STOP_TYPES = {"eos_token": "eos", "length": "limit", "stop_sequence": "word"}
