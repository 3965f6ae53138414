"""The twelve text models of the PRO API's announcement: their configurations, made tiny, run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from midfill_engine.exec.build import Wanted
from midfill_engine.exec.load_runner import load_runner
from midfill_engine.exec.runner import Runner
from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.exec.work import Work
from midfill_lsp.cli.catalogue import ANNOUNCED, CatalogueModel
from tests.engine.other_models import generated

_LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32000,
    "rope_scaling": None,
}
_CODE: dict[str, Any] = {
    **_LLAMA,
    "max_position_embeddings": 16384,
    "rope_theta": 1e6,
    "vocab_size": 32016,
}
_MISTRAL: dict[str, Any] = {
    "architectures": ["MistralForCausalLM"],
    "model_type": "mistral",
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 32768,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "rope_theta": 10000.0,
    "sliding_window": 4096,
    "vocab_size": 32000,
}
_MIXTRAL: dict[str, Any] = {
    **_MISTRAL,
    "architectures": ["MixtralForCausalLM"],
    "model_type": "mixtral",
    "rope_theta": 1e6,
    "sliding_window": None,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}
_OF_70B = {"num_attention_heads": 64, "num_key_value_heads": 8}
CONFIGS: dict[str, dict[str, Any]] = {
    "mistralai/Mixtral-8x7B-Instruct-v0.1": _MIXTRAL,
    "NousResearch/Nous-Hermes-2-Mixtral-8x7B-DPO": {
        **_MIXTRAL, "vocab_size": 32002, "eos_token_id": 32000,
    },
    "mistralai/Mistral-7B-Instruct-v0.2": {**_MISTRAL, "rope_theta": 1e6, "sliding_window": None},
    "HuggingFaceH4/zephyr-7b-beta": _MISTRAL,
    "openchat/openchat-3.5-0106": {
        **_MISTRAL, "max_position_embeddings": 8192, "vocab_size": 32002, "eos_token_id": 32000,
    },
    "meta-llama/Llama-2-7b-chat-hf": _LLAMA,
    "meta-llama/Llama-2-13b-chat-hf": {
        **_LLAMA, "num_attention_heads": 40, "num_key_value_heads": 40,
    },
    "meta-llama/Llama-2-70b-chat-hf": {**_LLAMA, **_OF_70B},
    "codellama/CodeLlama-7b-hf": _CODE,
    "codellama/CodeLlama-13b-hf": {**_CODE, "num_attention_heads": 40, "num_key_value_heads": 40},
    "codellama/CodeLlama-34b-Instruct-hf": {**_CODE, **_OF_70B, "vocab_size": 32000},
    "codellama/CodeLlama-70b-Instruct-hf": {
        **_CODE, **_OF_70B, "max_position_embeddings": 4096, "rope_theta": 10000.0,
    },
}  # fmt: skip
"""What each config.json of the Hub says, widths aside: heads, windows, experts, positions, ids."""
HEAD_DIM = 4


def test_the_catalogue_is_the_announcement() -> None:
    assert {model.model_id for model in ANNOUNCED} == set(CONFIGS)
    assert len(ANNOUNCED) == 12


@pytest.mark.parametrize("model", ANNOUNCED, ids=[model.model_id for model in ANNOUNCED])
def test_each_runs_by_its_architecture(tmp_path: Path, model: CatalogueModel) -> None:
    """Greedy tokens equal transformers', with the real numbers of heads, experts and tokens.

    On the kernels that a user gets, in float32: the default int8 changes tokens of random weights.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    config: dict[str, Any] = {
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "initializer_range": 0.25,
        **CONFIGS[model.model_id],
        "num_hidden_layers": 2,
        "intermediate_size": 24,
    }
    config["hidden_size"] = HEAD_DIM * config["num_attention_heads"]
    assert config["architectures"] == [model.architecture]
    assert config["max_position_embeddings"] >= model.context
    cast("Any", torch).manual_seed(1)
    made = cast("Any", AutoConfig).for_model(**config)
    reference = cast("Any", AutoModelForCausalLM).from_config(made, dtype=torch.float32).eval()
    reference.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    wanted = Wanted(device="cpu", dtype="float32", max_total_tokens=64, cache_bytes=0)
    runner = load_runner(str(tmp_path), wanted, 1)
    assert isinstance(runner, Runner)
    assert runner.describe()["architecture"] == model.architecture
    prompt = [1, *range(300, 320), config["vocab_size"] - 1]
    chosen: list[int] = []
    tokens, start = prompt, 0
    for _ in range(4):
        work = Work(0, tokens, start, 0, SamplingParams(), prompt, list(chosen))
        start += len(tokens)
        tokens = [runner.run([work])[0][0].token_id]
        chosen += tokens
    assert chosen == generated(reference, prompt, 4)
