"""Small hand-made tokenizers of every kind, in Hugging Face's folder format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from midfill_engine.text.tokenizer import Tokenizer

GOLDEN_PREFIX = 'def remove_non_ascii(s: str) -> str:\n    """ '
GOLDEN_SUFFIX = "\n    return result\n"
GOLDEN_IDS = (
    "1 32007 822 3349 29918 5464 29918 294 18869 29898 29879 29901 851 29897 1599 851 29901 13 "
    "1678 9995 29871 32008 13 1678 736 1121 13 32009"
)
_CODE_LLAMA_PIECES: Mapping[str, int] = {
    "▁def": 822,
    "▁remove": 3349,
    "_": 29918,
    "non": 5464,
    "as": 294,
    "cii": 18869,
    "(": 29898,
    "s": 29879,
    ":": 29901,
    "▁str": 851,
    ")": 29897,
    "▁->": 1599,
    '▁"""': 9995,
    "▁": 29871,
    "▁return": 736,
    "▁result": 1121,
    "▁▁▁": 1678,
}
"""In the order of their merges: a word takes its space before spaces join."""
_DECODER: Mapping[str, object] = {
    "type": "Sequence",
    "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ],
}
_REPLACE: Mapping[str, object] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}


def code_llama(folder: Path) -> Tokenizer:
    """Code Llama's ids for the pieces of the golden vector, and its legacy normaliser."""
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2, **_bytes(3)}
    taken = {**vocab, **_CODE_LLAMA_PIECES}
    merges: list[list[str]] = []
    free = iter(range(20000, 29000))
    for code in range(0x21, 0x7F):
        taken.setdefault(chr(code), next(free))
    for piece in _CODE_LLAMA_PIECES:
        _chain(piece, merges, taken, free)
    for token_id in sorted(set(range(32007)) - set(taken.values())):
        taken[f"filler-{token_id}"] = token_id
    names = ("▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>")
    added = [_added(0, "<unk>"), _added(1, "<s>"), _added(2, "</s>")]
    added += [_added(32007 + idx, name) for idx, name in enumerate(names)]
    spec = _bpe(taken, merges, added, byte_fallback=True)
    spec["normalizer"] = {
        "type": "Sequence",
        "normalizers": [{"type": "Prepend", "prepend": "▁"}, _REPLACE],
    }
    spec["decoder"] = _DECODER
    return _write(folder, spec, {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True})


def byte_level(folder: Path, specials: Sequence[tuple[str, bool]] = ()) -> Tokenizer:
    """The byte-level kind of GPT-2, with these added tokens (text, special); no beginning token."""
    from tokenizers.pre_tokenizers import ByteLevel

    alphabet = sorted(ByteLevel.alphabet())
    vocab = {char: idx for idx, char in enumerate(alphabet)}
    merges: list[list[str]] = []
    for piece in ("Ġreturn", "def", "ĠĠĠĠ", "ĊĊ"):
        _chain(piece, merges, vocab, iter(range(len(vocab), len(vocab) + 10)))
    added = [_added(len(vocab), "<|endoftext|>")]
    added += [
        {**_added(len(vocab) + 1 + idx, text), "special": special}
        for idx, (text, special) in enumerate(specials)
    ]
    spec = _bpe(vocab, merges, added, byte_fallback=False)
    spec["pre_tokenizer"] = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": False,
        "use_regex": True,
    }
    spec["decoder"] = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": False,
        "use_regex": True,
    }
    return _write(folder, spec, {"bos_token": None, "eos_token": "<|endoftext|>"})


def word_pieces(folder: Path) -> Tokenizer:
    """A kind whose tokens are no bytes: the fallback must decode it."""
    vocab = {"[UNK]": 0, "de": 1, "##f": 2, "x": 3, "##y": 4, "=": 5}
    spec: dict[str, Any] = {
        **_bpe(vocab, [], [_added(0, "[UNK]")], byte_fallback=False),
        "pre_tokenizer": {"type": "Whitespace"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": False},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocab,
        },
    }
    return _write(folder, spec, {})


def _write(folder: Path, spec: Mapping[str, object], settings: Mapping[str, object]) -> Tokenizer:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(spec), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return Tokenizer.load(folder)


def _bpe(
    vocab: Mapping[str, int],
    merges: Sequence[Sequence[str]],
    added: Sequence[Mapping[str, object]],
    *,
    byte_fallback: bool,
) -> dict[str, Any]:
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>" if "<unk>" in vocab else None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": byte_fallback,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": merges,
        },
    }


def _bytes(first: int) -> dict[str, int]:
    return {f"<0x{byte:02X}>": first + byte for byte in range(256)}


def _chain(piece: str, merges: list[list[str]], vocab: dict[str, int], free: Any) -> None:  # noqa: ANN401  # an iterator of ids
    """Merges that build a piece from the left, with ids for what lies between."""
    built = piece[0]
    if built not in vocab:
        vocab[built] = next(free)
    for char in piece[1:]:
        if char not in vocab:
            vocab[char] = next(free)
        if [built, char] not in merges:
            merges.append([built, char])
        built += char
        if built not in vocab:
            vocab[built] = next(free)


def _added(token_id: int, content: str) -> dict[str, object]:
    return {
        "id": token_id,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
