"""Exported folders, and the bundled one, load with stock transformers and tokenizers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from training import tokenizer as kind
from training.export import MAX_SHARD_BYTES, export
from training.model import Decoder, Shape

STARTER = Path(__file__).parents[2] / "engine" / "midfill_engine" / "starter"
SHAPE = Shape(
    vocab_size=440, hidden_size=32, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=16,
    ffn_size=40, context_len=64,
)  # fmt: skip


@pytest.fixture
def folder(tokenizer: Tokenizer, tmp_path: Path) -> Path:
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]  # untyped
    model = Decoder(SHAPE)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2)
        weight.data = weight.data.bfloat16().float()
    kind.save(tokenizer, tmp_path / "tokenizer", SHAPE.context_len)
    export(model, tmp_path / "tokenizer", tmp_path / "model")
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    return tmp_path


def load(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaders: Any = (AutoModelForCausalLM, AutoTokenizer)
    model = loaders[0].from_pretrained(folder, dtype=torch.float32).eval()
    return model, loaders[1].from_pretrained(folder)


def test_transformers_computes_the_same_logits(folder: Path) -> None:
    model = Decoder(SHAPE)
    model.load_state_dict(torch.load(folder / "weights.pt", weights_only=True))
    ids = torch.randint(0, SHAPE.vocab_size, (2, SHAPE.context_len))
    with torch.inference_mode():
        theirs = load(folder / "model")[0](ids).logits
        ours = model.logits(ids)
    assert torch.allclose(ours, theirs, atol=1e-4, rtol=1e-4)


def test_large_weights_are_sharded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tokenizer: Tokenizer
) -> None:
    monkeypatch.setattr("training.export.MAX_SHARD_BYTES", 20_000)
    model = Decoder(SHAPE)
    out = folder / "model"
    export(model, folder / "tokenizer", out)
    assert not (out / "model.safetensors").exists()
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == {p.name for p in out.glob("*.safetensors")}
    assert load(out)[0].num_parameters() == sum(p.numel() for p in model.parameters())


def test_the_bundled_folder_is_whole() -> None:
    sizes = {path.name: path.stat().st_size for path in STARTER.glob("*.safetensors")}
    assert sizes
    assert max(sizes.values()) <= MAX_SHARD_BYTES
    assert (STARTER / "README.md").exists()
    model, theirs = load(STARTER)
    ours = kind.plain(Tokenizer.from_file(str(STARTER / "tokenizer.json")))
    assert model.config.vocab_size == ours.get_vocab_size() == len(theirs)
    text = "def f(x):\n        return  '🙂'\t# <s>\r\n"
    ids = theirs.encode(text, add_special_tokens=False, split_special_tokens=True)
    assert ids == kind.encode(ours, text)
    assert theirs.decode(ids) == text
    names = ("▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>")
    assert theirs.convert_tokens_to_ids(list(names)) == [ours.token_to_id(n) for n in names]
    assert ours.token_to_id("▁<EOT>") in model.generation_config.eos_token_id
