"""From a TGI or PRO body to a validated request, with TGI's defaults, bounds and texts."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TypeVar

from midfill_engine.runtime.request import GenerationRequest
from midfill_engine.serve.grammar_request import compile_grammar, tgi_grammar
from midfill_engine.serve.parse import Fields, Json, invalid
from midfill_engine.serve.prompt_length import check_length
from midfill_engine.serve.sampling import tgi_sampling
from midfill_engine.serve.served import Served

_T = TypeVar("_T")
_UNSUPPORTED = ("adapter_id",)


@dataclass(frozen=True, slots=True)
class TgiRules:
    """What differs between the routes.

    Attributes:
        pro: the PRO API of the announcement: 20 tokens, temperature 0 is greedy.
        full_text: whether the reply begins with the prompt where the body does not say.
        stream: whether the route streams; None leaves it to the body's `stream`.
    """

    pro: bool = False
    full_text: bool = False
    stream: bool | None = None


@dataclass(frozen=True, slots=True)
class TgiRequest:
    """A validated request and what its reply needs.

    Attributes:
        generation: for the engine.
        inputs: the prompt's text.
        best_of: how many samples to choose the likeliest from.
        details: whether the reply tells of tokens.
        return_full_text: whether the reply begins with the prompt.
        stream: whether the reply is a stream.
        started_at: when work on it began.
        validated_at: when it was ready.
    """

    generation: GenerationRequest
    inputs: str
    best_of: int
    details: bool
    return_full_text: bool
    stream: bool
    started_at: float
    validated_at: float


async def read_tgi_request(
    body: Json, served: Served, rules: TgiRules, started_at: float
) -> TgiRequest:
    """Validate a body.

    Args:
        body: `{"inputs", "parameters", "stream"}`.
        served: the model and the limits.
        rules: the route's.
        started_at: when the request came.

    Raises:
        ValidationError: with TGI's text.
    """
    outer = Fields(body)
    inputs = outer.needed_text("inputs")
    fields = outer.nested("parameters")
    stream = outer.flag("stream", default=False) if rules.stream is None else rules.stream
    generation, best_of = await _read_generation(fields, inputs, stream, served, rules)
    # A stream tells its end unless told not to: the schema's default is true, TGI's code false.
    details = fields.flag("details", default=stream) or generation.prompt_logprobs
    return TgiRequest(
        generation=generation,
        inputs=inputs,
        best_of=best_of,
        details=details,
        return_full_text=fields.flag("return_full_text", default=rules.full_text),
        stream=stream,
        started_at=started_at,
        validated_at=time.perf_counter(),
    )


async def _read_generation(
    fields: Fields, inputs: str, stream: bool, served: Served, rules: TgiRules
) -> tuple[GenerationRequest, int]:
    """Return the request for the engine, and how many samples of it are wanted."""
    limits = served.limits
    best_of = _best_of(fields, served, stream=stream)
    prefill = fields.flag("decoder_input_details", default=False)
    if prefill and stream:
        raise invalid("`decoder_input_details` == true is not supported when streaming tokens")
    sampling = tgi_sampling(fields, lenient=rules.pro)
    if best_of > 1 and sampling.greedy:
        raise invalid("you must use sampling when `best_of` is > 1")
    if best_of > 1 and fields.has("seed"):
        raise invalid("`seed` must not be set when `best_of` > 1")
    fields.refuse(*_UNSUPPORTED)
    rule = "must be strictly positive"
    asked = fields.integer("max_new_tokens", low=1, high=2**31 - 1, rule=rule)
    stop = _stop(fields, served)
    top_n = _top_n(fields, served)
    source = tgi_grammar(fields)
    truncate = truncate_of(fields, served)
    if not inputs:
        raise invalid("`inputs` cannot be empty")
    ids = await encode_inputs(inputs, truncate, served)
    default = limits.pro_max_new_tokens if rules.pro else None
    request = GenerationRequest(
        prompt_ids=tuple(ids),
        max_new_tokens=_max_new_tokens(len(ids), asked or default, served),
        sampling=sampling,
        stop=stop,
        stop_token_ids=served.end_ids(ids),
        prompt_logprobs=prefill,
        top_n=top_n,
        grammar=await compile_grammar(source, served, field="grammar"),
    )
    return request, best_of


def _best_of(fields: Fields, served: Served, *, stream: bool) -> int:
    most = served.limits.max_best_of
    rule = f"must be > 0 and <= {most}. Given: {fields.raw('best_of')}"
    if stream and fields.has("best_of") and fields.raw("best_of") != 1:
        raise invalid("`best_of` != 1 is not supported when streaming tokens")
    return fields.integer("best_of", low=1, high=most, rule=rule) or 1


def _top_n(fields: Fields, served: Served) -> int:
    most = served.limits.max_top_n_tokens
    rule = f"must be >= 0 and <= {most}. Given: {fields.raw('top_n_tokens')}"
    return fields.integer("top_n_tokens", low=0, high=most, rule=rule) or 0


def _stop(fields: Fields, served: Served) -> tuple[str, ...]:
    """The field is `stop`; clients call it `stop_sequences`. Both count."""
    most = served.limits.max_stops_tgi
    named = fields.texts("stop", most=most)
    others = fields.texts("stop_sequences", most=most)
    stop = tuple(dict.fromkeys((*named, *others)))
    if len(stop) > most:
        raise invalid(f"`stop` supports up to {most} stop sequences. Given: {len(stop)}")
    return stop


def truncate_of(fields: Fields, served: Served) -> int | None:
    """The most tokens that a prompt may have; what is over goes at its beginning."""
    most = served.max_total_tokens - 1
    rule = f"must be strictly positive and less than {most}. Given: {fields.raw('truncate')}"
    return fields.integer("truncate", low=1, high=most, rule=rule)


async def encode_inputs(inputs: str, truncate: int | None, served: Served) -> list[int]:
    """Token ids of a prompt whose control tokens are meant.

    Raises:
        ValidationError: there are none, or too many to count.
    """
    if truncate is None:
        check_length("inputs", len(inputs), served)
    encode = served.tokenizer.encode_with_specials
    if len(inputs) > served.limits.inline_chars:
        ids = await asyncio.to_thread(encode, inputs)
    else:
        ids = encode(inputs)
    if not ids:
        raise invalid("`inputs` cannot be empty")
    return kept_ids(ids, truncate, ids[0] == served.tokenizer.bos_id)


def kept_ids(tokens: list[_T], truncate: int | None, begins: bool) -> list[_T]:
    """The last `truncate` tokens, the first of all among them if it begins the sequence.

    So does TGI: models write badly without it.
    """
    if truncate is None or truncate >= len(tokens):
        return tokens
    head = tokens[: int(truncate > 1 and begins)]
    return [*head, *tokens[len(tokens) - truncate + len(head) :]]


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
