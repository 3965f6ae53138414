"""From a `/v1/completions` body to validated requests, one per prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.runtime.request import GenerationRequest
from midfill_engine.serve.infill_prompt import InfillTexts, infill_prompt
from midfill_engine.serve.llama_request import checked_id, is_id
from midfill_engine.serve.parse import Fields, Json, invalid
from midfill_engine.serve.prompt_length import check_length
from midfill_engine.serve.sampling import openai_sampling
from midfill_engine.serve.served import Served
from midfill_engine.text.fim import MIN_BUDGET_TOKENS
from midfill_engine.text.heal import Healing
from midfill_engine.text.spans import decoded_starts, token_starts
from midfill_engine.text.tokenizer import without_surrogates


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt: its request, and the text that `echo` shows.

    Attributes:
        generation: for the engine.
        text: what is shown.
        starts: where in it each token of the prompt begins, if they are told.
    """

    generation: GenerationRequest
    text: str
    starts: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A validated request and what its reply needs.

    Attributes:
        prompts: at least one.
        num_choices: completions of each prompt that are shown (`n`).
        best_of: completions of each prompt that are made; the likeliest are shown.
        echo: whether the prompt is shown in front.
        logprobs: whether the reply tells of tokens.
        stream: whether to answer in events.
        include_usage: whether a stream ends with the counts.
    """

    prompts: tuple[Prompt, ...]
    num_choices: int
    best_of: int
    echo: bool
    logprobs: bool
    stream: bool
    include_usage: bool


async def read_completions_request(body: Json, served: Served) -> CompletionRequest:
    """Validate a body.

    Raises:
        ValidationError: a field is missing or wrong, or a prompt leaves no room.
    """
    fields = Fields(body)
    prompts = _prompts(fields, served)
    suffix = fields.text("suffix")
    echo = fields.flag("echo", default=False)
    stream = fields.flag("stream", default=False)
    top_n = _top_n(fields, served)
    if suffix is not None and echo and top_n is not None:
        raise invalid("`echo` with `logprobs` is not supported with `suffix`: leave one out")
    num_choices, best_of = _num_samples(fields, served, stream=stream)
    shared = _Shared(
        max_tokens=_max_tokens(fields, served, least=0 if echo else 1),
        sampling=openai_sampling(fields, vocab_size=served.vocab_size),
        stop=fields.texts("stop", most=served.limits.max_stops),
        suffix=suffix,
        heal=fields.optional_flag("heal"),
        top_n=top_n or 0,
        prompt_logprobs=echo and top_n is not None,
    )
    return CompletionRequest(
        prompts=tuple([await _prompt(prompt, shared, served) for prompt in prompts]),
        num_choices=num_choices,
        best_of=best_of,
        echo=echo,
        logprobs=top_n is not None,
        stream=stream,
        include_usage=fields.nested("stream_options").flag("include_usage", default=False),
    )


@dataclass(frozen=True, slots=True)
class _Shared:
    """What every prompt of a body has in common."""

    max_tokens: int
    sampling: SamplingParams
    stop: tuple[str, ...]
    suffix: str | None
    heal: bool | None
    top_n: int
    prompt_logprobs: bool


def _prompts(fields: Fields, served: Served) -> list[str | list[int]]:
    """OpenAI's four forms: a text, texts, token ids, lists of token ids."""
    value = fields.raw("prompt")
    if value is None:
        raise invalid("missing field `prompt`")
    entries = cast("list[object]", value if isinstance(value, list) else [value])
    if entries and all(is_id(entry) for entry in entries):
        entries = [entries]
    most = served.limits.max_prompts
    if not 0 < len(entries) <= most:
        raise invalid(f"`prompt` must hold 1 to {most} prompts. Given: {len(entries)}")
    found: list[str | list[int]] = []
    for entry in entries:
        if isinstance(entry, str):
            found.append(without_surrogates(entry))
        elif isinstance(entry, list) and all(is_id(part) for part in cast("list[object]", entry)):
            ids = cast("list[int]", entry)
            found.append([checked_id(token_id, "prompt", served) for token_id in ids])
        else:
            raise invalid("`prompt` must be a string, token ids, or a list of either")
    return found


def _top_n(fields: Fields, served: Served) -> int | None:
    """None where nobody asks for log-probabilities."""
    if fields.raw("logprobs") is False:
        return None
    most = served.limits.max_top_n_tokens
    rule = f"must be >= 0 and <= {most}"
    return fields.integer("logprobs", low=0, high=most, rule=rule)


def _num_samples(fields: Fields, served: Served, *, stream: bool) -> tuple[int, int]:
    most = served.limits.max_choices
    rule = f"must be >= 1 and <= {most}"
    num_choices = fields.integer("n", low=1, high=most, rule=rule) or 1
    best_of = fields.integer("best_of", low=1, high=most, rule=rule) or num_choices
    if best_of < num_choices:
        raise invalid(f"`best_of` must be >= `n`. Given: {best_of} and {num_choices}")
    if stream and best_of > num_choices:
        raise invalid("`best_of` over `n` is not supported when streaming tokens")
    return num_choices, best_of


def _max_tokens(fields: Fields, served: Served, *, least: int) -> int:
    total = served.max_total_tokens
    rule = f"must be {'>= 0' if least == 0 else '> 0'} and < {total}"
    asked = fields.integer("max_tokens", low=least, high=total - 1, rule=rule)
    return served.limits.completion_max_tokens if asked is None else asked


async def _prompt(prompt: str | list[int], shared: _Shared, served: Served) -> Prompt:
    healing: Healing | None = None
    if shared.suffix is not None:
        if not isinstance(prompt, str):
            raise invalid("`suffix` needs a `prompt` of text, not of token ids")
        ids, healing = await _infill(prompt, shared, served)
    elif isinstance(prompt, str) and len(prompt) > served.limits.inline_chars:
        check_length("prompt", len(prompt), served)
        ids = await asyncio.to_thread(_encode, prompt, served)
    else:
        ids = _encode(prompt, served) if isinstance(prompt, str) else tuple(prompt)
    _check_room(ids, shared.max_tokens, served)
    generation = GenerationRequest(
        prompt_ids=ids,
        max_new_tokens=shared.max_tokens,
        sampling=shared.sampling,
        stop=shared.stop,
        stop_token_ids=served.end_ids(ids),
        healing=healing,
        prompt_logprobs=shared.prompt_logprobs,
        top_n=shared.top_n,
    )
    text = prompt if isinstance(prompt, str) else served.tokenizer.decode(_shown(prompt, served))
    if not shared.prompt_logprobs:
        return Prompt(generation, text)
    return Prompt(generation, text, await asyncio.to_thread(_starts, prompt, served))


def _encode(prompt: str, served: Served) -> tuple[int, ...]:
    """Names of control tokens are meant, as where editors write infill prompts themselves."""
    return tuple(served.tokenizer.encode_with_specials(prompt))


def _shown(ids: Sequence[int], served: Served) -> list[int]:
    return [token_id for token_id in ids if token_id != served.tokenizer.bos_id]


def _starts(prompt: str | list[int], served: Served) -> list[int]:
    if isinstance(prompt, str):
        return token_starts(served.tokenizer, prompt)
    return decoded_starts(served.tokenizer, prompt)


async def _infill(
    prompt: str, shared: _Shared, served: Served
) -> tuple[tuple[int, ...], Healing | None]:
    family, total = served.family, served.max_total_tokens
    if family is None:
        raise invalid("`suffix` needs an infill model, and this one has no infill tokens")
    room = total - shared.max_tokens
    if room < MIN_BUDGET_TOKENS:
        most = total - MIN_BUDGET_TOKENS
        raise invalid(f"`max_tokens` must be <= {most} with `suffix`. Given: {shared.max_tokens}")
    texts = InfillTexts(prompt, shared.suffix or "", heal=shared.heal)
    infill = await infill_prompt(texts, served, family, room)
    return infill.ids, infill.healing


def _check_room(ids: Sequence[int], max_tokens: int, served: Served) -> None:
    if not ids:
        raise invalid("`prompt` cannot be empty")
    if len(ids) + max_tokens > served.max_total_tokens:
        raise invalid(
            f"`prompt` tokens + `max_tokens` must be <= {served.max_total_tokens}. "
            f"Given: {len(ids)} `prompt` tokens and {max_tokens} `max_tokens`"
        )
