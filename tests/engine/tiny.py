"""Random tiny models in the Hugging Face folder format, for every engine test.

The weights are random but wide enough that logits differ clearly, so that greedy tokens do not
hang on rounding. The tokenizer is hand-made, of the Llama kind: byte fallback, `▁` for a space,
no prepended space, infill sentinels inside the embedding. Needs transformers (a test dependency).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import torch

KINDS = (
    "llama",
    "llama-gqa",
    "codellama",
    "mistral-window",
    "mixtral",
    "qwen2",
    "llama3-rope",
    "linear-rope",
    "yarn",
    "tied",
)
SENTINELS = ("▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>")
VOCAB_SIZE = 512
MAX_POSITION_EMBEDDINGS = 512

_BASE: Mapping[str, object] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_act": "silu",
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "vocab_size": VOCAB_SIZE,
    "max_position_embeddings": MAX_POSITION_EMBEDDINGS,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "initializer_range": 0.25,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_LLAMA3_SCALING = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
_YARN_SCALING = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
_CHANGES: Mapping[str, Mapping[str, object]] = {
    "llama": {"attention_bias": True, "mlp_bias": True},
    "llama-gqa": {"num_key_value_heads": 2, "head_dim": 16},
    "codellama": {"rope_theta": 1e6},
    "mistral-window": {
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        "num_key_value_heads": 2,
        "sliding_window": 8,
    },
    "mixtral": {
        "architectures": ["MixtralForCausalLM"],
        "model_type": "mixtral",
        "num_key_value_heads": 2,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": None,
    },
    "qwen2": {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "num_key_value_heads": 2,
        "use_sliding_window": True,
        "sliding_window": 8,
        "max_window_layers": 1,
        "rms_norm_eps": 1e-6,
    },
    "llama3-rope": {"rope_scaling": _LLAMA3_SCALING},
    "linear-rope": {"rope_scaling": {"type": "linear", "factor": 2.0}},
    "yarn": {"rope_scaling": _YARN_SCALING},
    "tied": {"tie_word_embeddings": True},
}


def tiny_config(kind: str) -> dict[str, Any]:
    """Returns the config.json of one of `KINDS`, in the spelling the Hub's older models use."""
    return {**_BASE, **_CHANGES[kind]}


def tiny_reference(kind: str, seed: int = 0) -> Any:  # noqa: ANN401  # untyped in transformers
    """Returns transformers' own model of `kind`: float32, eval mode, random weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = tiny_config(kind)
    make_config = cast("Any", AutoConfig).for_model
    make_model = cast("Any", AutoModelForCausalLM).from_config
    rng = cast("Any", torch.random)
    with rng.fork_rng(devices=[]):
        rng.manual_seed(seed)
        model = make_model(make_config(**config), dtype=torch.float32)
        parameter: torch.nn.Parameter
        for parameter in model.parameters():
            if parameter.ndim == 1:  # norms start at one and biases at zero, which hides mistakes
                parameter.data += 0.2 * torch.randn_like(parameter)
    return model.eval()


def write_tiny_model(folder: Path, kind: str, shards: int = 1, seed: int = 0) -> Path:
    """Writes config, safetensors in about `shards` files and the tokenizer; returns `folder`."""
    model = tiny_reference(kind, seed)
    num_bytes = sum(p.numel() * p.element_size() for p in model.parameters())
    model.save_pretrained(folder, max_shard_size=num_bytes if shards == 1 else num_bytes // shards)
    # The folder carries the older spelling of config.json, as most models on the Hub do.
    (folder / "config.json").write_text(json.dumps(tiny_config(kind), indent=2), encoding="utf-8")
    write_tiny_tokenizer(folder)
    return folder


def write_tiny_tokenizer(folder: Path) -> None:
    """Writes tokenizer.json and tokenizer_config.json of the hand-made tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_tokenizer(), ensure_ascii=False, indent=1)
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "additional_special_tokens": list(SENTINELS),
        "clean_up_tokenization_spaces": False,
        "model_max_length": MAX_POSITION_EMBEDDINGS,
    }
    text = json.dumps(settings, ensure_ascii=False, indent=1)
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")


_WORDS = ("▁▁▁▁", "▁return", "▁self", "def▁", "import", "print", "if▁", "for▁", "▁in", "▁=▁", "):")


def _tokenizer() -> dict[str, object]:
    """Returns tokenizer.json: 3 specials, 256 bytes, 95 characters, merges, 4 sentinels."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += ["▁", *(chr(code) for code in range(0x21, 0x7F)), "é"]
    merges: list[list[str]] = []
    for word in _WORDS:
        merged = word[0]
        for character in word[1:]:
            if [merged, character] not in merges:
                merges.append([merged, character])
                pieces.append(merged + character)
            merged += character
    special = [(0, "<unk>"), (1, "<s>"), (2, "</s>")]
    special += [(len(pieces) + idx, name) for idx, name in enumerate(SENTINELS)]
    single = [{"Sequence": {"id": "A", "type_id": 0}}]
    bos = [{"SpecialToken": {"id": "<s>", "type_id": 0}}]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added_token(token_id, name) for token_id, name in special],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": bos + single,
            "pair": bos + single + bos + [{"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {piece: token_id for token_id, piece in enumerate(pieces)},
            "merges": merges,
        },
    }


def _added_token(token_id: int, content: str) -> dict[str, object]:
    return {
        "id": token_id,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
