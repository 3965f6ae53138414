"""Sampling parameters of each dialect, with its own rules of what turns sampling on."""

from __future__ import annotations

import secrets

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


def llama_sampling(fields: Fields) -> SamplingParams:
    """llama.cpp's fields with a greedy default; 0 and -1 mean none where llama.cpp has it so."""
    temperature = fields.number("temperature")
    if temperature is not None and temperature < 0:
        raise invalid("`temperature` must be >= 0.0")
    top_p = fields.number("top_p")
    if top_p is not None and not 0.0 < top_p <= 1.0:
        raise invalid("`top_p` must be > 0.0 and <= 1.0")
    top_k = fields.integer("top_k", low=-1, high=_U31, rule="must be >= -1")
    seed = fields.integer("seed", low=-1, high=_U64, rule="must be >= -1")
    return SamplingParams(
        temperature=temperature or 0.0,
        top_k=top_k if top_k is not None and top_k > 0 else None,
        top_p=None if top_p == 1.0 else top_p,
        repetition_penalty=_repetition_penalty(fields, "repeat_penalty"),
        frequency_penalty=_two_sided_penalty(fields, "frequency_penalty"),
        seed=random_seed() if seed is None or seed < 0 else seed,
    )


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
    wanted = fields.nested("logit_bias")
    for name in wanted.names:
        if not name.isascii() or not name.isdigit() or int(name[:12]) >= vocab_size:
            raise invalid(
                f"`logit_bias` must name token ids below {vocab_size}. Given: {name[:20]}"
            )
        bias = wanted.number(name)
        if bias is None or not -100.0 <= bias <= 100.0:
            raise invalid("`logit_bias` must hold numbers >= -100 and <= 100")
        found[int(name)] = bias
    return tuple(found.items())


def _seed(fields: Fields) -> int | None:
    return fields.integer("seed", low=0, high=_U64, rule="must be >= 0 and fit 64 bits")
