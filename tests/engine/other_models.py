"""Tiny random models of architectures outside the Llama family, and what transformers says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tests.engine.tiny import write_tiny_tokenizer

if TYPE_CHECKING:
    import torch

_BASE: Mapping[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.25,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
}
_GPT: Mapping[str, Any] = {
    "vocab_size": 512,
    "n_embd": 48,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 512,
    "initializer_range": 0.25,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
}
_GEMMA: Mapping[str, Any] = {
    **_BASE,
    "head_dim": 12,
    "sliding_window": 16,
    "query_pre_attn_scalar": 12,
    "num_hidden_layers": 3,
    "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
}
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "starcoder2": {**_BASE, "sliding_window": 16},
    "gemma": {**_BASE, "head_dim": 12},
    "gemma2": _GEMMA,
    "gemma3_text": _GEMMA,
    "granite": _BASE,
    "deepseek_v2": {
        **_BASE,
        "num_key_value_heads": 4,
        "q_lora_rank": 16,
        "kv_lora_rank": 8,
        "qk_nope_head_dim": 8,
        "qk_rope_head_dim": 4,
        "v_head_dim": 8,
        "n_routed_experts": 4,
        "n_shared_experts": 1,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "first_k_dense_replace": 1,
        "topk_method": "greedy",
        "n_group": 1,
        "topk_group": 1,
    },
    "gpt_bigcode": {**_GPT, "multi_query": True},
    "phi": {**_BASE, "num_key_value_heads": 4},
    "mamba2": {
        **_BASE,
        "state_size": 4,
        "num_heads": 8,
        "head_dim": 12,
        "n_groups": 1,
    },
    "falcon_h1": {
        **_BASE,
        "mamba_d_ssm": 32,
        "mamba_n_heads": 4,
        "mamba_d_head": 8,
        "mamba_d_state": 8,
        "mamba_n_groups": 1,
    },
    "bamba": {
        **_BASE,
        "attn_layer_indices": [1],
        "mamba_n_heads": 4,
        "mamba_d_head": 24,
        "mamba_d_state": 4,
        "mamba_n_groups": 1,
    },
    "jamba": {
        **_BASE,
        "num_experts": 2,
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "use_mamba_kernels": False,
        "mamba_d_state": 4,
        "mamba_dt_rank": 4,
    },
    "recurrent_gemma": {
        **_BASE,
        "num_hidden_layers": 3,
        "num_key_value_heads": 1,
        "lru_width": 48,
        "w_init_variance_scale": 1.0,
        "attention_window_size": 16,
    },
    "minimax": {
        **_BASE,
        "head_dim": 12,
        "layer_types": ["linear_attention", "full_attention"],
        "block_size": 8,
        "num_local_experts": 2,
        "num_experts_per_tok": 1,
    },
}
"""By transformers' `model_type`."""
WITHOUT_CACHE = ("mamba2", "jamba", "recurrent_gemma", "minimax")
"""Mamba's has another name. Transformers computes something else on Jamba's, where several tokens
come at once, and keeps RecurrentGemma's state in the model; MiniMax wants one of its own class."""
UNCUT = ("falcon_h1", "bamba", *WITHOUT_CACHE)
"""They keep a state that cannot be cut."""


def other_model(kind: str) -> Any:  # noqa: ANN401  # untyped in transformers
    """Returns transformers' own model of `kind`: float32, eval mode, random weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = cast("Any", AutoConfig).for_model(model_type=kind, **CONFIGS[kind])
    rng = cast("Any", torch.random)
    with rng.fork_rng(devices=[]):
        rng.manual_seed(5)
        model = cast("Any", AutoModelForCausalLM).from_config(config, dtype=torch.float32)
        parameter: torch.nn.Parameter
        for parameter in model.parameters():
            if parameter.ndim == 1:  # norms and biases that hide mistakes
                parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()


def write_other_model(folder: Path, kind: str) -> Any:  # noqa: ANN401  # untyped in transformers
    """Writes a model's folder with the tiny tokenizer; returns the model."""
    model = other_model(kind)
    model.save_pretrained(folder)
    write_tiny_tokenizer(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == kind
    return model


def generated(model: Any, prompt: Sequence[int], count: int) -> list[int]:  # noqa: ANN401  # untyped in transformers
    """Greedy tokens of `transformers.generate`, which runs the whole text for each."""
    import torch

    ids = torch.tensor([list(prompt)])
    found = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=count,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
        use_cache=False,
    )
    tokens: list[int] = found[0].tolist()
    return tokens[len(prompt) :]
