"""The shape of a model, read from a Hugging Face config.json. Knows no tensors and no files' bytes.

`weights` checks a checkpoint against it, `decoder` computes with it, `exec.runner` reports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from midfill_engine.errors import ModelError
from midfill_engine.model.rope import RopeSpec, parse_rope
from midfill_engine.small_file import read_json

Architecture: TypeAlias = Literal[
    "LlamaForCausalLM", "MistralForCausalLM", "MixtralForCausalLM", "Qwen2ForCausalLM"
]
ARCHITECTURES: tuple[Architecture, ...] = (
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "MixtralForCausalLM",
    "Qwen2ForCausalLM",
)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Sizes and switches of a decoder of the Llama family.

    Attributes:
        architecture: transformers' class name.
        windows: for each layer how many positions a query reads, itself included; None reads all.
        qkv_bias: whether query, key and value projections have a bias.
        out_bias: whether the attention's output projection has a bias.
        mlp_bias: whether the MLP's projections have a bias.
        num_experts: experts per layer; None for a dense MLP.
        num_active_experts: experts a token is sent to.
        bos_token_id: start of sequence, if the model has one.
        eos_token_ids: tokens that end a text.
    """

    architecture: Architecture
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    max_position_embeddings: int
    rms_norm_eps: float
    rope: RopeSpec
    windows: tuple[int | None, ...]
    tied_embeddings: bool
    qkv_bias: bool
    out_bias: bool
    mlp_bias: bool
    num_experts: int | None
    num_active_experts: int
    bos_token_id: int | None
    eos_token_ids: tuple[int, ...]

    @classmethod
    def from_folder(cls, folder: Path) -> ModelSpec:
        """Returns the spec of `folder`/config.json.

        Raises:
            ModelError: the file is missing or broken, or describes a model that cannot be run.
        """
        config = read_config(folder)
        try:
            return cls.from_config(config)
        except ModelError as error:
            raise ModelError(f"{folder}: {error}") from None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ModelSpec:
        """Returns the spec of a parsed config.json.

        Raises:
            ModelError: an architecture or a value that cannot be run; the message names it.
        """
        architecture = _architecture(config)
        _refuse(config)
        hidden_size = _size(config, "hidden_size")
        num_layers = _size(config, "num_hidden_layers")
        if num_layers > _MOST_LAYERS:
            raise ModelError(f"config.json: {num_layers} layers cannot be run; fetch it again")
        num_heads = _size(config, "num_attention_heads")
        head_dim = _size(config, "head_dim", hidden_size // num_heads)
        num_kv_heads = _size(config, "num_key_value_heads", num_heads)
        if num_heads % num_kv_heads or head_dim % 2:
            raise ModelError(
                f"config.json: {num_heads} heads of {head_dim} dimensions do not fit "
                f"{num_kv_heads} key/value heads; fetch the model again"
            )
        llama, mixtral = architecture == "LlamaForCausalLM", architecture == "MixtralForCausalLM"
        attention_bias = llama and _flag(config, "attention_bias")
        max_len = _size(config, "max_position_embeddings", _MAX_LENS[architecture])
        return cls(
            architecture=architecture,
            vocab_size=_size(config, "vocab_size"),
            hidden_size=hidden_size,
            intermediate_size=_size(config, "intermediate_size"),
            num_layers=num_layers,
            num_heads=num_heads,
            num_kv_heads=num_kv_heads,
            head_dim=head_dim,
            max_position_embeddings=max_len,
            rms_norm_eps=_epsilon(config, 1e-5 if mixtral else 1e-6),
            rope=parse_rope(config, 1e6 if mixtral else 1e4, max_len),
            windows=_windows(architecture, config, num_layers),
            tied_embeddings=_flag(config, "tie_word_embeddings"),
            qkv_bias=attention_bias or architecture == "Qwen2ForCausalLM",
            out_bias=attention_bias,
            mlp_bias=llama and _flag(config, "mlp_bias"),
            num_experts=_size(config, "num_local_experts", 8) if mixtral else None,
            num_active_experts=_size(config, "num_experts_per_tok", 2) if mixtral else 0,
            bos_token_id=next(iter(_token_ids(config, "bos_token_id")), None),
            eos_token_ids=_token_ids(config, "eos_token_id"),
        )


def read_config(folder: Path) -> dict[str, Any]:
    """Returns `folder`/config.json, parsed.

    Raises:
        ModelError: the file is missing or broken.
    """
    path = folder / "config.json"
    try:
        config: object = read_json(path)
    except FileNotFoundError:
        raise ModelError(
            f"{folder} has no config.json; give a folder in the Hugging Face format"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read ({error}); fetch the model again") from None
    if not isinstance(config, dict):
        raise ModelError(f"{path} holds no JSON object; fetch the model again")
    return cast("dict[str, Any]", config)


def architecture_name(config: Mapping[str, Any]) -> str | None:
    """Returns what a config.json calls its architecture, known or not; None where it says none."""
    names = config.get("architectures")
    name: object = cast("list[object]", names)[0] if isinstance(names, list) and names else None
    return name if isinstance(name, str) else None


_MOST_LAYERS = 10_000
"""Far above every model; a damaged number would take minutes to be found out by the weights."""

_MAX_LENS: Mapping[Architecture, int] = {
    "LlamaForCausalLM": 2048,
    "MistralForCausalLM": 131072,
    "MixtralForCausalLM": 131072,
    "Qwen2ForCausalLM": 32768,
}


def _architecture(config: Mapping[str, Any]) -> Architecture:
    name = architecture_name(config)
    for known in ARCHITECTURES:
        if name == known:
            return known
    raise ModelError(
        f"architecture {name or config.get('model_type')!r} cannot be run; "
        f"these can: {', '.join(ARCHITECTURES)}"
    )


def _refuse(config: Mapping[str, Any]) -> None:
    activation = config.get("hidden_act", "silu")
    if activation not in ("silu", "swish"):
        raise ModelError(f"config.json: hidden_act {activation!r} cannot be run; only 'silu' can")
    quantized = config.get("quantization_config")
    if quantized is not None:
        raise ModelError(
            "config.json: quantised checkpoints (quantization_config) cannot be run; "
            "use the model's unquantised version"
        )


def _windows(
    architecture: Architecture, config: Mapping[str, Any], num_layers: int
) -> tuple[int | None, ...]:
    if architecture == "LlamaForCausalLM":
        return (None,) * num_layers
    if architecture == "Qwen2ForCausalLM" and not _flag(config, "use_sliding_window"):
        return (None,) * num_layers
    if config.get("sliding_window", 0) is None:
        return (None,) * num_layers
    if architecture == "MixtralForCausalLM" and "sliding_window" not in config:
        return (None,) * num_layers
    window = _size(config, "sliding_window", 4096)
    if architecture != "Qwen2ForCausalLM":
        return (window,) * num_layers
    kinds = config.get("layer_types")
    if isinstance(kinds, list):
        kinds = cast("list[object]", kinds)
        if len(kinds) != num_layers:
            raise ModelError(
                f"config.json: {len(kinds)} layer_types for {num_layers} layers; "
                "fetch the model again"
            )
        return tuple(window if kind == "sliding_attention" else None for kind in kinds)
    first = config.get("max_window_layers")
    first = 28 if not isinstance(first, int) else first
    return tuple(window if idx >= first else None for idx in range(num_layers))


def _size(config: Mapping[str, Any], key: str, default: int | None = None) -> int:
    value = config.get(key)
    value = default if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelError(f"config.json: {key} must be a positive whole number, not {value!r}")
    return value


def _epsilon(config: Mapping[str, Any], default: float) -> float:
    value = config.get("rms_norm_eps", default)
    if not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ModelError(f"config.json: rms_norm_eps must be a small number, not {value!r}")
    return float(value)


def _flag(config: Mapping[str, Any], key: str) -> bool:
    value = config.get(key)
    if not isinstance(value, bool) and value is not None:
        raise ModelError(f"config.json: {key} must be true or false, not {value!r}")
    return bool(value)


def _token_ids(config: Mapping[str, Any], key: str) -> tuple[int, ...]:
    value = config.get(key)
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    ids = tuple(item for item in values if isinstance(item, int) and not isinstance(item, bool))
    if value is not None and len(ids) != len(values):
        raise ModelError(f"config.json: {key} must be a token id or a list, not {value!r}")
    return ids
