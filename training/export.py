"""Writes the trained model as a standard Hugging Face folder.

Weights in bfloat16, in shards of at most 16 MB; stock transformers and our engine load the folder.
Called by ``training.run``, or by hand on a checkpoint of a run that is still going.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # untyped path
from tokenizers import Tokenizer
from torch import Tensor

from training import tokenizer as tokenizers_kind
from training.model import Decoder, Shape, state_for_export

MAX_SHARD_BYTES = 16_000_000
DEFAULTS = {"order": "spm", "heal": True, "line_start": "middle", "max_tokens": 1024}
"""``infill.json``: what bench/quality.py decided on the dev packages (docs/log.md)."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def export(model: Decoder, tokenizer_dir: Path, out: Path) -> None:
    """Writes config, weights and tokenizer of ``model`` into ``out``; leaves the card alone."""
    out.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        shutil.copyfile(tokenizer_dir / name, out / name)
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == model.shape.vocab_size
    eot = tokenizer.token_to_id("▁<EOT>")
    assert eot is not None
    tokenizers_kind.write_json(out / "config.json", config(model.shape, eot))
    generation: dict[str, object] = {
        "bos_token_id": 1, "eos_token_id": [2, eot], "pad_token_id": 2, "do_sample": False,
    }  # fmt: skip
    tokenizers_kind.write_json(out / "generation_config.json", generation)
    tokenizers_kind.write_json(out / "infill.json", DEFAULTS)
    write_weights(state_for_export(model), out)


def config(shape: Shape, eot: int) -> dict[str, object]:
    """Returns ``config.json``."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.ffn_size,
        "num_hidden_layers": shape.num_layers,
        "num_attention_heads": shape.num_heads,
        "num_key_value_heads": shape.num_kv_heads,
        "head_dim": shape.head_dim,
        "max_position_embeddings": shape.context_len,
        "rms_norm_eps": shape.norm_eps,
        "rope_theta": shape.rope_theta,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": [2, eot],
        "pad_token_id": 2,
        "torch_dtype": "bfloat16",
    }


def write_weights(state: dict[str, Tensor], out: Path) -> None:
    """Writes one file, or shards with an index where one would be too large."""
    for old in out.glob("model*.safetensors*"):
        old.unlink()
    weights = {name: value.to(torch.bfloat16).contiguous() for name, value in state.items()}
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, value in weights.items():
        if shards[-1] and size + value.nbytes > MAX_SHARD_BYTES:
            shards.append({})
            size = 0
        shards[-1][name] = value
        size += value.nbytes
    if len(shards) == 1:
        save_file(shards[0], out / "model.safetensors", metadata={"format": "pt"})
        return
    places: dict[str, str] = {}
    for idx, shard in enumerate(shards, start=1):
        file = f"model-{idx:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, out / file, metadata={"format": "pt"})
        places |= dict.fromkeys(shard, file)
    total = sum(value.nbytes for value in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    tokenizers_kind.write_json(out / "model.safetensors.index.json", index)


def load_checkpoint(path: Path) -> Decoder:
    """Returns the model of a checkpoint, in float32."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    model = Decoder(Shape(**state["shape"]))
    model.load_state_dict(state["model"])
    return model.eval()


def main() -> None:
    """Exports a checkpoint from the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    export(load_checkpoint(args.work / "checkpoint.pt"), args.work / "tokenizer", args.out)


if __name__ == "__main__":
    main()
