"""Sampling parameters of each dialect, with its own rules of what turns sampling on."""

from __future__ import annotations

import secrets
from typing import cast

from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.serve.parse import Fields, invalid

_U64 = 2**64 - 1
_U31 = 2**31 - 1


def tgi_sampling(fields: Fields, *, lenient: bool) -> SamplingParams:
    """TGI's rules: any of `do_sample`, temperature, top_k, top_p, typical_p turns sampling on.

    Args:
        fields: TGI's `parameters`.
        lenient: as the PRO API of the announcement: temperature 0 is greedy, top_p and typical_p
            1.0 are none.
    """
    temperature = fields.number("temperature")
    if temperature is not None and (temperature < 0 or (temperature == 0 and not lenient)):
        raise invalid("`temperature` must be strictly positive")
    top_p = _tgi_share(fields, "top_p", lenient=lenient)
    typical_p = _tgi_share(fields, "typical_p", lenient=lenient)
    top_k = fields.integer("top_k", low=1, high=_U31, rule="must be strictly positive")
    repetition_penalty = _repetition_penalty(fields, "repetition_penalty")
    frequency_penalty = _two_sided_penalty(fields, "frequency_penalty")
    seed = _seed(fields)
    chosen = (temperature, top_k, top_p, typical_p)
    samples = fields.flag("do_sample", default=False) or any(part is not None for part in chosen)
    if temperature is None:
        temperature = 1.0 if samples else 0.0
    return SamplingParams(
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        typical_p=typical_p,
        repetition_penalty=repetition_penalty,
        frequency_penalty=frequency_penalty,
        watermark=fields.flag("watermark", default=False),
        seed=random_seed() if seed is None else seed,
    )


def openai_sampling(fields: Fields, *, vocab_size: int) -> SamplingParams:
    """OpenAI's rules: temperature is 1 unless said otherwise, and 0 is greedy."""
    temperature = fields.number("temperature")
    if temperature is not None and not 0.0 <= temperature <= 2.0:
        raise invalid("`temperature` must be >= 0.0 and <= 2.0")
    top_p = fields.number("top_p")
    if top_p is not None and not 0.0 < top_p <= 1.0:
        raise invalid("`top_p` must be > 0.0 and <= 1.0")
    seed = fields.integer("seed", low=-(2**63), high=_U64, rule="must fit 64 bits")
    return SamplingParams(
        temperature=1.0 if temperature is None else temperature,
        top_p=None if top_p == 1.0 else top_p,
        repetition_penalty=_repetition_penalty(fields, "repetition_penalty"),
        frequency_penalty=_two_sided_penalty(fields, "frequency_penalty"),
        presence_penalty=_two_sided_penalty(fields, "presence_penalty"),
        logit_bias=_logit_bias(fields, vocab_size),
        seed=random_seed() if seed is None else seed & _U64,
    )


def llama_sampling(fields: Fields, vocab_size: int, *, sampled: bool = False) -> SamplingParams:
    """llama.cpp's fields; 0, 1 or -1 mean none where llama.cpp has it so.

    Args:
        fields: the body.
        vocab_size: of the model.
        sampled: with llama.cpp's own defaults; otherwise greedy unless a temperature is given.
    """
    temperature = fields.number("temperature")
    if temperature is not None and temperature < 0:
        raise invalid("`temperature` must be >= 0.0")
    top_k = fields.integer("top_k", low=-1, high=_U31, rule="must be >= -1")
    top_p, min_p = _share(fields, "top_p"), _share(fields, "min_p")
    if sampled:
        temperature = 0.8 if temperature is None else temperature
        top_k = 40 if top_k is None else top_k
        top_p, min_p = (0.95 if top_p is None else top_p), (0.05 if min_p is None else min_p)
    typical_p = _share(fields, "typical_p")
    seed = fields.integer("seed", low=-1, high=_U64, rule="must be >= -1")
    return SamplingParams(
        temperature=temperature or 0.0,
        top_k=top_k if top_k is not None and top_k > 0 else None,
        top_p=top_p if top_p is not None and 0.0 < top_p < 1.0 else None,
        min_p=min_p or None,
        typical_p=typical_p if typical_p is not None and 0.0 < typical_p < 1.0 else None,
        repetition_penalty=_repetition_penalty(fields, "repeat_penalty"),
        frequency_penalty=_two_sided_penalty(fields, "frequency_penalty"),
        presence_penalty=_two_sided_penalty(fields, "presence_penalty"),
        logit_bias=_logit_bias(_paired_bias(fields), vocab_size),
        seed=random_seed() if seed is None or seed < 0 else seed,
    )


def _paired_bias(fields: Fields) -> Fields:
    """llama.cpp's `[[ID, number], ...]`, with false for never, in OpenAI's form."""
    value = fields.raw("logit_bias")
    if not isinstance(value, list):
        return fields
    found: dict[str, object] = {}
    for entry in cast("list[object]", value):
        pair = cast("list[object]", entry) if isinstance(entry, list) else []
        if len(pair) != 2:
            raise invalid("`logit_bias` must be an object, or a list of [token id, number]")
        found[str(pair[0])] = -100.0 if pair[1] is False else pair[1]
    return Fields({"logit_bias": found})


def _share(fields: Fields, name: str) -> float | None:
    share = fields.number(name)
    if share is not None and not 0.0 <= share <= 1.0:
        raise invalid(f"`{name}` must be >= 0.0 and <= 1.0")
    return share


def random_seed() -> int:
    """A seed that JavaScript's numbers can hold."""
    return secrets.randbits(53)


def _tgi_share(fields: Fields, name: str, *, lenient: bool) -> float | None:
    """A probability mass, which TGI wants below 1."""
    share = fields.number(name)
    if lenient and share == 1.0:
        return None
    if share is not None and not 0.0 < share < 1.0:
        raise invalid(f"`{name}` must be > 0.0 and < 1.0")
    return share


def _repetition_penalty(fields: Fields, name: str) -> float:
    penalty = fields.number(name)
    if penalty is not None and penalty <= 0:
        raise invalid(f"`{name}` must be strictly positive")
    return 1.0 if penalty is None else penalty


def _two_sided_penalty(fields: Fields, name: str) -> float:
    penalty = fields.number(name) or 0.0
    if not -2.0 <= penalty <= 2.0:
        raise invalid(f"`{name}` must be >= -2.0 and <= 2.0")
    return penalty


def _logit_bias(fields: Fields, vocab_size: int) -> tuple[tuple[int, float], ...]:
    """OpenAI's object of token ids, which JSON writes as strings, and what is added to each."""
    found: dict[int, float] = {}
    if fields.raw("logit_bias") == []:  # TGI's schema has a list, of which it makes nothing
        return ()
    wanted = fields.nested("logit_bias")
    for name in wanted.names:
        if not name.isascii() or not name.isdigit() or not _is_below(name, vocab_size):
            raise invalid(
                f"`logit_bias` must name token ids below {vocab_size}. Given: {name[:20]}"
            )
        bias = wanted.raw(name)
        if isinstance(bias, bool) or not isinstance(bias, (int, float)) or not -100 <= bias <= 100:
            raise invalid("`logit_bias` must hold numbers >= -100 and <= 100")
        found[int(name)] = float(bias)
    return tuple(found.items())


def _is_below(digits: str, bound: int) -> bool:
    return len(digits) <= 12 and int(digits) < bound  # thousands of digits take Python seconds


def _seed(fields: Fields) -> int | None:
    return fields.integer("seed", low=0, high=_U64, rule="must be >= 0 and fit 64 bits")
