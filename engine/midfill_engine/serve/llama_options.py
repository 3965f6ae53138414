"""The fields that llama.cpp's `/infill` and `/completion` share, read and checked.

What its editor plugins send and this engine has no use for is let pass: `samplers`, `id_slot`,
`n_cache_reuse`, `lora`, and `t_max_prompt_ms`, which llama.cpp's own server does not obey either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.serve.parse import Fields, invalid
from midfill_engine.serve.sampling import llama_sampling
from midfill_engine.serve.served import Served

_U31 = 2**31 - 1


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """How to complete and how to tell of it.

    Attributes:
        n_predict: as asked: -1 goes on to the context, None where the request does not say.
        sampling: how tokens are chosen.
        stop: texts that end the completion.
        stream: whether to answer in events.
        cache_prompt: whether to keep and reuse keys and values.
        session: see `GenerationRequest.session`.
        num_completions: samples of the one prompt (`n_cmpl`).
        num_probs: likeliest tokens told beside each token (`n_probs`); 0 tells nothing of tokens.
        logprobs: tell length and log-probability of each token, and nothing else of it.
        max_predict_ms: once a line has ended, the completion ends that long after its first
            token; None never.
        min_indent: a line that is indented less ends it; 0 never.
        response_fields: paths of what the reply is cut to; None sends all.
    """

    n_predict: int | None
    sampling: SamplingParams
    stop: tuple[str, ...]
    stream: bool
    cache_prompt: bool
    session: str | None
    num_completions: int
    num_probs: int
    logprobs: bool
    max_predict_ms: int | None
    min_indent: int
    response_fields: tuple[str, ...] | None

    @property
    def has_limits(self) -> bool:
        """Whether a completion may end by what it says or how long it takes, while it grows."""
        return self.max_predict_ms is not None or self.min_indent > 0

    @property
    def top_n(self) -> int:
        """How many of the likeliest tokens the engine has to look for at every place.

        A greedy choice is the likeliest itself, and the kernels tell its log-probability anyway.
        """
        return 0 if self.num_probs == 1 and self.sampling.greedy else self.num_probs


def read_llama_options(fields: Fields, served: Served, *, sampled: bool = False) -> LlamaOptions:
    """Read the options.

    Args:
        fields: the body.
        served: the model and the limits.
        sampled: llama.cpp's default temperature, where it is greedy otherwise.

    Raises:
        ValidationError: one is wrong.
    """
    limits = served.limits
    most = limits.max_choices
    rule = f"must be > 0 and <= {most}"
    most_probs = limits.max_top_logprobs
    probs_rule = f"must be >= 0 and <= {most_probs}"
    max_predict_ms = _whole(fields, "t_max_predict_ms", -1)
    _whole(fields, "t_max_prompt_ms", -1)
    return LlamaOptions(
        n_predict=_whole(fields, "n_predict", -1),
        sampling=llama_sampling(fields, served.vocab_size, sampled=sampled),
        stop=fields.texts("stop", most=limits.max_stops),
        stream=fields.flag("stream", default=False),
        cache_prompt=fields.flag("cache_prompt", default=True),
        session=bounded_text(fields, "session", limits.max_session_chars),
        num_completions=fields.integer("n_cmpl", low=1, high=most, rule=rule) or 1,
        num_probs=fields.integer("n_probs", low=0, high=most_probs, rule=probs_rule) or 0,
        logprobs=fields.flag("logprobs", default=False),
        max_predict_ms=max_predict_ms if max_predict_ms and max_predict_ms > 0 else None,
        min_indent=_whole(fields, "n_indent", 0) or 0,
        response_fields=_response_fields(fields),
    )


def bounded_text(fields: Fields, name: str, max_chars: int) -> str | None:
    """A text of at most so many characters, or None."""
    text = fields.text(name)
    if text is not None and len(text) > max_chars:
        raise invalid(f"`{name}` must have at most {max_chars} characters. Given: {len(text)}")
    return text


def _whole(fields: Fields, name: str, low: int) -> int | None:
    return fields.integer(name, low=low, high=_U31, rule=f"must be >= {low}")


def _response_fields(fields: Fields) -> tuple[str, ...] | None:
    value = fields.raw("response_fields")
    if value is None:
        return None
    entries = cast("Sequence[object]", value if isinstance(value, list) else [value])
    found = [entry for entry in entries if isinstance(entry, str)]
    if len(found) != len(entries):
        raise invalid("`response_fields` must be a list of strings")
    return tuple(found)
