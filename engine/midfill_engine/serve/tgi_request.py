"""From a TGI or PRO body to a validated request, with TGI's defaults, bounds and texts."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from midfill_engine.runtime.request import GenerationRequest
from midfill_engine.serve.parse import Fields, Json, invalid
from midfill_engine.serve.sampling import tgi_sampling
from midfill_engine.serve.served import Served

_UNSUPPORTED = (
    "top_n_tokens",
    "decoder_input_details",
    "grammar",
    "watermark",
    "adapter_id",
)


@dataclass(frozen=True, slots=True)
class TgiRequest:
    """A validated request and what its reply needs.

    Attributes:
        generation: for the engine.
        inputs: the prompt's text.
        details: whether the reply tells of tokens.
        return_full_text: whether the reply begins with the prompt.
        stream: whether the body asks for a stream.
        started_at: when work on it began.
        validated_at: when it was ready.
    """

    generation: GenerationRequest
    inputs: str
    details: bool
    return_full_text: bool
    stream: bool
    started_at: float
    validated_at: float

    @property
    def seed(self) -> int | None:
        """The seed that matters for the result, or None if nothing was sampled."""
        sampling = self.generation.sampling
        return None if sampling.greedy else sampling.seed


async def read_tgi_request(
    body: Json, served: Served, *, pro: bool, started_at: float
) -> TgiRequest:
    """Validate a body.

    Args:
        body: `{"inputs", "parameters", "stream"}`.
        served: the model and the limits.
        pro: the PRO API's defaults: 20 tokens, temperature 0 is greedy, the full text returned.
        started_at: when the request came.

    Raises:
        ValidationError: with TGI's text.
    """
    outer, limits = Fields(body), served.limits
    inputs = outer.needed_text("inputs")
    fields = outer.nested("parameters")
    sampling = tgi_sampling(fields, lenient=pro)
    _refuse_unsupported(fields, pro=pro)
    asked = fields.integer(
        "max_new_tokens", low=1, high=2**31 - 1, rule="must be strictly positive"
    )
    stop_name = "stop" if fields.has("stop") else "stop_sequences"
    stop = fields.texts(stop_name, most=limits.max_stops_tgi)
    truncate = _truncate(fields, served)
    if not inputs:
        raise invalid("`inputs` cannot be empty")
    ids = await _encode(inputs, truncate, served)
    default = limits.pro_max_new_tokens if pro else None
    generation = GenerationRequest(
        prompt_ids=tuple(ids),
        max_new_tokens=_max_new_tokens(len(ids), asked or default, served),
        sampling=sampling,
        stop=stop,
        stop_token_ids=_stop_ids(ids, served),
    )
    return TgiRequest(
        generation=generation,
        inputs=inputs,
        details=fields.flag("details", default=False),
        return_full_text=fields.flag("return_full_text", default=pro),
        stream=outer.flag("stream", default=False),
        started_at=started_at,
        validated_at=time.perf_counter(),
    )


def _refuse_unsupported(fields: Fields, *, pro: bool) -> None:
    if not (pro and fields.raw("typical_p") == 1.0):
        fields.refuse("typical_p", harmless=())
    fields.refuse(*_UNSUPPORTED)
    best_of = fields.integer("best_of", low=1, high=2**31, rule="must be > 0")
    if best_of is not None and best_of > 1:
        raise invalid("`best_of` over 1 is not supported by this engine: leave it out")


def _truncate(fields: Fields, served: Served) -> int | None:
    most = served.max_total_tokens - 1
    rule = f"must be strictly positive and less than {most}. Given: {fields.raw('truncate')}"
    return fields.integer("truncate", low=1, high=most, rule=rule)


async def _encode(inputs: str, truncate: int | None, served: Served) -> list[int]:
    encode = served.tokenizer.encode_with_specials
    if len(inputs) > served.limits.inline_chars:
        ids = await asyncio.to_thread(encode, inputs)
    else:
        ids = encode(inputs)
    if not ids:
        raise invalid("`inputs` cannot be empty")
    if truncate is None or truncate >= len(ids):
        return ids
    # The beginning-of-sequence token stays, as in TGI: models write badly without it.
    head = ids[: int(truncate > 1 and ids[0] == served.tokenizer.bos_id)]
    return [*head, *ids[len(ids) - truncate + len(head) :]]


def _max_new_tokens(prompt_len: int, asked: int | None, served: Served) -> int:
    total = served.max_total_tokens
    if asked is None:
        if prompt_len > total - 1:
            raise invalid(f"`inputs` must have less than {total - 1} tokens. Given: {prompt_len}")
        return min(served.limits.max_new_tokens, total - prompt_len)
    if prompt_len + asked > total:
        raise invalid(
            f"`inputs` tokens + `max_new_tokens` must be <= {total}. "
            f"Given: {prompt_len} `inputs` tokens and {asked} `max_new_tokens`"
        )
    return asked


def _stop_ids(prompt_ids: list[int], served: Served) -> frozenset[int]:
    """The end of a text, and the end of the middle where the prompt asks for one."""
    family = served.family
    ids = served.tokenizer.eos_ids
    if family is not None and family.suffix_id in prompt_ids:
        ids |= family.stop_ids
    return ids
