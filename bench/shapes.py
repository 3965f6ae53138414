"""Models with random weights in the shapes that are compared, as Hugging Face folders.

    python -m bench.shapes 0.5b FOLDER       for llama.cpp's converter and `bench/engine.py --model`

The tokenizer is the bundled model's, filled up to a larger vocabulary with pieces that no text
holds. Called by `bench/engine.py`.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, cast

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from midfill_engine.model.source import resolve

SHAPES: dict[str, dict[str, int]] = {
    "8m": {"hidden": 288, "inner": 768, "layers": 8, "heads": 9, "kv_heads": 3, "vocab": 6144},
    "30m": {"hidden": 512, "inner": 1344, "layers": 8, "heads": 8, "kv_heads": 4, "vocab": 16384},
    "160m": {"hidden": 768, "inner": 2048, "layers": 24, "heads": 12, "kv_heads": 4, "vocab": 8192},
    "0.5b": {
        "hidden": 896, "inner": 4864, "layers": 24, "heads": 14, "kv_heads": 2, "vocab": 151936,
    },
}  # fmt: skip
"""``30m`` is the shape that `training` calls ``full``; ``0.5b`` is Qwen2's."""


def write_random(folder: Path, name: str) -> None:
    """Writes a random Llama of one of `SHAPES`, wide enough that greedy tokens are no near-ties."""
    shape = SHAPES[name]
    cast("Any", torch).manual_seed(0)
    import transformers  # late: it takes seconds

    library = cast("Any", transformers)  # it exports lazily, which type checkers cannot follow
    config = library.LlamaConfig(
        hidden_size=shape["hidden"],
        intermediate_size=shape["inner"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["kv_heads"],
        vocab_size=shape["vocab"],
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        initializer_range=0.05,
    )
    library.LlamaForCausalLM(config).save_pretrained(folder)
    shutil.copyfile(resolve("starter") / "tokenizer_config.json", folder / "tokenizer_config.json")
    _write_tokenizer(folder / "tokenizer.json", shape["vocab"])


def _write_tokenizer(target: Path, vocab_size: int) -> None:
    """Writes the bundled tokenizer with a piece for each of `vocab_size` ids."""
    tokenizer = json.loads((resolve("starter") / "tokenizer.json").read_text(encoding="utf-8"))
    pieces = tokenizer["model"]["vocab"]
    taken = {*pieces.values(), *(added["id"] for added in tokenizer["added_tokens"])}
    pieces |= {f"[unused{idx}]": idx for idx in range(vocab_size) if idx not in taken}
    target.write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    write_random(Path(sys.argv[2]), sys.argv[1])
