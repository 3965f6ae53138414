"""Builds the tokenizer: Llama kind, byte fallback, runs of spaces, infill sentinels.

No space is ever added in front of a text, and decoding gives back exactly what was encoded (as
long as the text holds no ``▁``, which decodes to a space, as with every Llama tokenizer).
Called by ``training.run``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from tokenizers.trainers import BpeTrainer

SPECIAL = ("<unk>", "<s>", "</s>")
SENTINELS = ("▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>")
ALPHABET = ["\t", "\n", "\r", "▁", *(chr(code) for code in range(33, 127))]
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
SPARE = 256
"""Pieces learnt beyond the vocabulary, in place of those of blanks that ``with_spaces`` drops."""
PIECES = r"\n▁+(?=▁)|\n|\t+|▁+(?=▁)|\d|[▁_]?[^\W\d_]+|▁?_+|▁?[^\w\s▁]+|▁|\s"
"""A line end with the next line's indentation but for its last space; a digit; a word with the
space or underscore before it; punctuation with the space before it. A line end only ever begins
a piece, so a cut at a line's end is always a cut between pieces."""


def train(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Returns a tokenizer of ``vocab_size`` ids, fewer where ``texts`` do not yield as many."""
    learner = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    learner.normalizer = normalizers.Replace(" ", "▁")
    learner.pre_tokenizer = pre_tokenizers.Split(Regex(PIECES), "isolated")
    size = vocab_size - len(SPECIAL) - len(BYTES) - len(SENTINELS) + SPARE
    learner.train_from_iterator(
        texts, BpeTrainer(vocab_size=size, special_tokens=[], show_progress=False, min_frequency=5,
                          limit_alphabet=len(ALPHABET), initial_alphabet=ALPHABET)
    )  # fmt: skip
    learnt = json.loads(learner.to_str())["model"]
    return assemble(learnt, learner, vocab_size)


def assemble(learnt: dict[str, Any], learner: Tokenizer, vocab_size: int) -> Tokenizer:
    """Puts special tokens, bytes, learnt pieces and sentinels in Llama's order of ids."""
    pieces = sorted(learnt["vocab"], key=lambda piece: learnt["vocab"][piece])
    merges = [tuple(merge) for merge in learnt["merges"]]
    pieces, merges = with_spaces(pieces, merges)
    room = vocab_size - len(SPECIAL) - len(BYTES) - len(SENTINELS)
    pieces = pieces[:room]
    known = set(pieces)
    merges = [m for m in merges if m[0] in known and m[1] in known and m[0] + m[1] in known]
    order = (*SPECIAL, *BYTES, *pieces, *SENTINELS)
    tokenizer = Tokenizer(
        models.BPE(
            vocab={piece: idx for idx, piece in enumerate(order)},
            merges=merges,
            unk_token="<unk>",
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    tokenizer.normalizer = learner.normalizer
    tokenizer.pre_tokenizer = learner.pre_tokenizer
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.add_special_tokens(  # pyright: ignore[reportUnknownMemberType]  # untyped list
        [AddedToken(token, special=True, normalized=False) for token in (*SPECIAL, *SENTINELS)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", order.index("<s>"))]
    )
    return tokenizer


def with_spaces(
    pieces: list[str], merges: list[tuple[str, str]]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Adds runs of up to 24 spaces and indented line ends, merged before anything else."""
    runs = ["▁" * num for num in range(2, 25)]
    known = set(runs)
    alphabet = [piece for piece in pieces if len(piece) == 1]
    rest = [piece for piece in pieces if len(piece) > 1 and piece not in known]
    front: list[tuple[str, str]] = []
    for num in (16, 8, 4, 2):
        front.insert(0, ("▁" * (num // 2), "▁" * (num // 2)))
    odd = [
        (runs_of(num), "▁" * (num - len(runs_of(num))))
        for num in range(3, 25)
        if num not in (4, 8, 16)
    ]
    indents = [("\n", "▁" * num) for num in range(3, 24, 4)]
    other = [merge for merge in merges if not set("".join(merge)) <= {"▁", "\n"}]
    rest = [piece for piece in rest if not set(piece) <= {"▁", "\n"}]
    ends = ["".join(pair) for pair in indents]
    return alphabet + runs + ends + rest, front + odd + indents + other


def runs_of(num: int) -> str:
    """Returns the largest power-of-two run that is shorter than ``num`` spaces."""
    return "▁" * max(power for power in (2, 4, 8, 16) if power < num)


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """Returns the ids of ``text`` as plain text: a sentinel in it stays text."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def plain(tokenizer: Tokenizer) -> Tokenizer:
    """Returns a copy that never reads special tokens out of a text (for training and tests)."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.encode_special_tokens = True
    return copy


def save(tokenizer: Tokenizer, folder: Path, context_len: int) -> None:
    """Writes ``tokenizer.json``, ``tokenizer_config.json``, ``special_tokens_map.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
    added = {
        str(tokenizer.token_to_id(token)): {
            "content": token, "lstrip": False, "normalized": False, "rstrip": False,
            "single_word": False, "special": True,
        }
        for token in (*SPECIAL, *SENTINELS)
    }  # fmt: skip
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **names,
        "add_bos_token": True,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context_len,
        "prefix_token": "▁<PRE>",
        "suffix_token": "▁<SUF>",
        "middle_token": "▁<MID>",
        "eot_token": "▁<EOT>",
        "added_tokens_decoder": added,
    }
    write_json(folder / "tokenizer_config.json", config)
    mapping = {**names, "additional_special_tokens": list(SENTINELS)}
    write_json(folder / "special_tokens_map.json", mapping)


def write_json(path: Path, value: object) -> None:
    """Writes ``value`` as indented JSON with a final line end."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
