"""Rotary position embedding: what config.json says of it, and the table the decoder multiplies by.

Covers the scalings of the Llama family within `max_position_embeddings`. Called by `spec` (parsing)
and the decoders (table). Knows neither weights nor attention.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from midfill_engine.errors import ModelError

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
RopeKind: TypeAlias = Literal["default", "linear", "dynamic", "llama3", "yarn"]
ROPE_KINDS: tuple[RopeKind, ...] = ("default", "linear", "dynamic", "llama3", "yarn")


@dataclass(frozen=True, slots=True)
class RopeSpec:
    """Rotary embedding of one model.

    Attributes:
        kind: the scaling; `dynamic` equals `default` up to `max_position_embeddings`, and longer
            sequences are refused by the runner.
        theta: base of the frequencies.
        factor: how much the trained context was stretched.
        original_len: the context before stretching (llama3, yarn).
        low_freq_factor: llama3: wavelengths above original_len / this are scaled whole.
        high_freq_factor: llama3: wavelengths below original_len / this are left alone.
        beta_fast: yarn: rotations above which nothing is interpolated.
        beta_slow: yarn: rotations below which all is interpolated.
        truncate: yarn: whether the ramp's ends are rounded to whole dimensions.
        magnitude: factor on the rotated vectors (yarn's attention factor).
    """

    kind: RopeKind = "default"
    theta: float = 10000.0
    factor: float = 1.0
    original_len: int = 1
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    truncate: bool = True
    magnitude: float = 1.0


def parse_rope(config: Mapping[str, object], default_theta: float, max_len: int) -> RopeSpec:
    """Returns the rotary embedding that a config.json describes.

    Reads `rope_theta` with `rope_scaling` (older spelling) and `rope_parameters` (transformers 5),
    each with `rope_type` or `type`.

    Args:
        config: config.json.
        default_theta: the architecture's base where the config is silent.
        max_len: max_position_embeddings.

    Raises:
        ModelError: a kind or value that cannot be honoured.
    """
    values: dict[str, object] = {}
    for key in ("rope_scaling", "rope_parameters"):
        value = config.get(key)
        if value is None:
            continue
        if not isinstance(value, Mapping):
            raise ModelError(f"config.json: {key} must be an object or null, not {value!r}")
        values.update(cast("Mapping[str, object]", value))
    kind = values.get("rope_type") or values.get("type") or "default"
    if kind not in ROPE_KINDS:
        known = ", ".join(ROPE_KINDS)
        raise ModelError(f"config.json: rope type {kind!r} cannot be run; these can: {known}")
    if values.get("partial_rotary_factor", 1.0) not in (1, None):
        raise ModelError("config.json: partial_rotary_factor other than 1 cannot be run")
    theta = values.get("rope_theta") or config.get("rope_theta") or default_theta
    if not isinstance(theta, (int, float)) or not 0 < theta < math.inf:
        raise ModelError(f"config.json: rope_theta must be a positive number, not {theta!r}")
    return _with_scaling(kind, float(theta), config, values, max_len)


def _with_scaling(
    kind: RopeKind,
    theta: float,
    config: Mapping[str, object],
    values: Mapping[str, object],
    max_len: int,
) -> RopeSpec:
    def number(key: str, default: float | None = None) -> float:
        value = values.get(key)
        value = default if value is None else value
        if not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0:
            raise ModelError(f"config.json: rope type {kind} needs a positive {key}, not {value!r}")
        return float(value)

    if kind in ("default", "dynamic"):
        return RopeSpec(kind=kind, theta=theta)
    factor = number("factor")
    if kind == "linear":
        return RopeSpec(kind=kind, theta=theta, factor=factor)
    fallback = config.get("original_max_position_embeddings")
    stated = fallback if isinstance(fallback, int) else max_len
    original_len = int(number("original_max_position_embeddings", stated))
    if kind == "llama3":
        return RopeSpec(
            kind=kind,
            theta=theta,
            factor=factor,
            original_len=original_len,
            low_freq_factor=number("low_freq_factor"),
            high_freq_factor=number("high_freq_factor"),
        )
    if values.get("mscale") and values.get("mscale_all_dim"):
        top = _yarn_magnitude(factor, number("mscale"))
        magnitude = top / _yarn_magnitude(factor, number("mscale_all_dim"))
    else:
        magnitude = _yarn_magnitude(factor, 1.0)
    return RopeSpec(
        kind=kind,
        theta=theta,
        factor=factor,
        original_len=original_len,
        beta_fast=number("beta_fast", 32.0),
        beta_slow=number("beta_slow", 1.0),
        truncate=values.get("truncate", True) is not False,
        magnitude=number("attention_factor", magnitude),
    )


def _yarn_magnitude(factor: float, mscale: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * mscale * math.log(factor) + 1.0


def rotation_table(rope: RopeSpec, head_dim: int, max_len: int) -> npt.NDArray[np.complex64]:
    """Returns the rotations [max_len, D/2]: magnitude * exp(i * position * frequency).

    Angles are products in float32 as transformers has them, so that logits agree at long positions.
    """
    positions = np.arange(max_len, dtype=np.float32)
    angles = np.outer(positions, inverse_frequencies(rope, head_dim)).astype(np.float64)
    table = np.empty(angles.shape, np.complex64)
    table.real = rope.magnitude * np.cos(angles)
    table.imag = rope.magnitude * np.sin(angles)
    return table


def inverse_frequencies(rope: RopeSpec, head_dim: int) -> Floats:
    """Returns the angular steps per position, [D/2] float32.

    Exponents and powers are rounded to float32 as transformers has them, so that angles agree at
    long positions; torch's powers may miss the true ones by their last bit, these do not.

    Sources: RoFormer (arXiv:2104.09864), YaRN (arXiv:2309.00071), Llama 3.1's model card.
    """
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    powers: Doubles = rope.theta ** exponents.astype(np.float64)
    frequencies = (1 / powers.astype(np.float32)).astype(np.float64)
    if rope.kind == "linear":
        frequencies = frequencies / rope.factor
    elif rope.kind == "llama3":
        frequencies = _llama3(rope, frequencies)
    elif rope.kind == "yarn":
        frequencies = _yarn(rope, frequencies, head_dim)
    return frequencies.astype(np.float32)


def _llama3(rope: RopeSpec, frequencies: Doubles) -> Doubles:
    """Long wavelengths are divided by the factor, short ones kept, the middle blended."""
    wavelengths = 2 * math.pi / frequencies
    blend = rope.original_len / wavelengths - rope.low_freq_factor
    blend = (blend / (rope.high_freq_factor - rope.low_freq_factor)).clip(0, 1)
    return (1 - blend) * frequencies / rope.factor + blend * frequencies


def _yarn(rope: RopeSpec, frequencies: Doubles, head_dim: int) -> Doubles:
    """Dimensions that rotate often keep their frequency, slow ones are divided by the factor."""

    def dimension(rotations: float) -> float:
        turns = rope.original_len / (rotations * 2 * math.pi)
        return head_dim * math.log(turns) / (2 * math.log(rope.theta))

    low, high = dimension(rope.beta_fast), dimension(rope.beta_slow)
    if rope.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, head_dim - 1)
    width = high - low or 0.001
    share: Doubles = ((np.arange(head_dim // 2) - low) / width).clip(0, 1)
    return frequencies / rope.factor * share + frequencies * (1 - share)
