"""Reading config.json: both spellings, every architecture, and one-line errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from midfill_engine.errors import ModelError
from midfill_engine.model.rope import inverse_frequencies
from midfill_engine.model.spec import ModelSpec
from tests.engine.tiny import KINDS, tiny_config, tiny_reference


@pytest.mark.parametrize("kind", KINDS)
def test_new_spelling_gives_the_same_spec(kind: str) -> None:
    """Transformers 5 writes rope_parameters and layer_types where the Hub has rope_scaling."""
    written = json.loads(tiny_reference(kind).config.to_json_string(use_diff=False))
    assert "rope_parameters" in written
    assert ModelSpec.from_config(written) == ModelSpec.from_config(tiny_config(kind))


@pytest.mark.parametrize(
    "scaling",
    [
        {"rope_type": "yarn", "factor": 40.0, "original_max_position_embeddings": 4096},
        {"rope_type": "yarn", "factor": 8.0, "attention_factor": 1.5, "beta_fast": 16},
        {"rope_type": "yarn", "factor": 4.0, "mscale": 0.7, "mscale_all_dim": 1.1},
        {"rope_type": "yarn", "factor": 4.0, "truncate": False, "beta_slow": 2},
        {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
        {"type": "linear", "factor": 2.5},
        {"type": "dynamic", "factor": 2.0},
    ],
)
def test_rope_frequencies_as_transformers(scaling: dict[str, Any]) -> None:
    import transformers
    from transformers.models.llama import modeling_llama

    config = {**tiny_config("llama"), "head_dim": 64, "max_position_embeddings": 16384}
    config["rope_scaling"] = scaling
    rope = ModelSpec.from_config(config).rope
    llama_config = cast("Any", transformers).LlamaConfig(**config)
    embedding = cast("Any", modeling_llama).LlamaRotaryEmbedding(llama_config)
    expected = embedding.inv_freq
    found = torch.as_tensor(inverse_frequencies(rope, 64))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)
    assert rope.magnitude == pytest.approx(embedding.attention_scaling)


def test_windows_of_qwen2() -> None:
    config = tiny_config("qwen2")
    assert ModelSpec.from_config(config).windows == (None, 8, 8)
    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    assert ModelSpec.from_config({**config, "layer_types": kinds}).windows == (8, None, 8)
    off = {**config, "use_sliding_window": False, "layer_types": kinds}
    assert ModelSpec.from_config(off).windows == (None, None, None)


def test_windows_of_mistral() -> None:
    config = tiny_config("mistral-window")
    assert ModelSpec.from_config({**config, "sliding_window": None}).windows == (None,) * 3
    del config["sliding_window"]
    assert ModelSpec.from_config(config).windows == (4096,) * 3


def test_token_ids() -> None:
    spec = ModelSpec.from_config({**tiny_config("llama"), "eos_token_id": [2, 7]})
    assert (spec.bos_token_id, spec.eos_token_ids) == (1, (2, 7))
    spec = ModelSpec.from_config({**tiny_config("llama"), "eos_token_id": None})
    assert spec.eos_token_ids == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, ["'GPT2LMHeadModel'", "LlamaForCausalLM"]),
        ({"architectures": None, "model_type": "bert"}, ["'bert'", "Qwen2ForCausalLM"]),
        ({"hidden_act": "gelu"}, ["hidden_act 'gelu'", "'silu'"]),
        ({"hidden_size": "many"}, ["hidden_size", "'many'"]),
        ({"num_hidden_layers": 0}, ["num_hidden_layers", "0"]),
        ({"num_key_value_heads": 3}, ["4 heads", "3 key/value heads"]),
        ({"rms_norm_eps": "small"}, ["rms_norm_eps", "'small'"]),
        ({"tie_word_embeddings": "yes"}, ["tie_word_embeddings", "'yes'"]),
        ({"eos_token_id": "</s>"}, ["eos_token_id", "'</s>'"]),
        ({"rope_theta": "big"}, ["rope_theta", "'big'"]),
        ({"rope_theta": -1}, ["rope_theta", "positive", "-1"]),
        ({"num_hidden_layers": 10**7}, ["10000000 layers"]),
        ({"rope_scaling": {"type": "longrope", "factor": 2}}, ["'longrope'", "yarn"]),
        ({"rope_scaling": {"type": "linear"}}, ["linear", "factor", "None"]),
        ({"rope_scaling": [1]}, ["rope_scaling", "[1]"]),
        ({"rope_scaling": {"type": "llama3", "factor": 2}}, ["llama3", "low_freq_factor"]),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, ["partial_rotary_factor"]),
        ({"quantization_config": {"bits": 4}}, ["quantization_config", "unquantised"]),
    ],
)
def test_errors_name_the_value(change: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        ModelSpec.from_config({**tiny_config("llama"), **change})
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "config.json"),
        ("{", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("[]", "no JSON object"),
    ],
)
def test_errors_of_the_file(tmp_path: Path, content: str | None, word: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelError, match=word) as caught:
        ModelSpec.from_folder(tmp_path)
    assert str(tmp_path) in str(caught.value)
