"""The infill families: which tokens mark prefix, suffix and middle, and how a model is recognised.

A table, not behaviour: `fim` builds prompts from it. Called by `serve` once per loaded model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from midfill_engine.errors import ModelError
from midfill_engine.text.tokenizer import Tokenizer

Order: TypeAlias = Literal["psm", "spm"]


@dataclass(frozen=True, slots=True)
class Family:
    """How one family of models was trained to infill.

    Attributes:
        name: as `--fim-family` and `/info` name it.
        prefix: the sentinel before the prefix.
        suffix: the sentinel before the suffix.
        middle: the sentinel after which the middle is written; None where the prefix's own
            sentinel comes last (Codestral).
        orders: the orders the model was trained in, its own first.
        stops: sentinels that end the middle; those that a vocabulary lacks are skipped.
        file: sentinel before another file of the repository.
        repo: sentinel before the repository's name.
        needs: tokens that tell this family from another with the same three sentinels.
    """

    name: str
    prefix: str
    suffix: str
    middle: str | None
    orders: tuple[Order, ...]
    stops: tuple[str, ...]
    file: str | None = None
    repo: str | None = None
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InfillFamily:
    """A family whose tokens were found in one vocabulary: the same fields, as ids.

    Attributes:
        name: the family's name.
        prefix_id: sentinel before the prefix.
        suffix_id: sentinel before the suffix.
        middle_id: sentinel before the middle, if the family has one.
        orders: known orders, the model's own first.
        stop_ids: ids that end the middle.
        file_id: sentinel before another file, if the vocabulary has one.
        repo_id: sentinel before the repository's name, if it has one and the other.
    """

    name: str
    prefix_id: int
    suffix_id: int
    middle_id: int | None
    orders: tuple[Order, ...]
    stop_ids: frozenset[int] = field(default_factory=lambda: frozenset[int]())
    file_id: int | None = None
    repo_id: int | None = None


FAMILIES: Final = (
    # arXiv:2308.12950; `suffix_first` of llama/generation.py. The bundled model uses the same.
    Family("codellama", "▁<PRE>", "▁<SUF>", "▁<MID>", ("spm", "psm"), ("▁<EOT>",)),
    # bigcode-project/Megatron-LM trains both orders half and half. Granite 3B to 34B Code as well.
    Family(
        "starcoder",
        "<fim_prefix>",
        "<fim_suffix>",
        "<fim_middle>",
        ("spm", "psm"),
        ("<|endoftext|>", "<fim_pad>", "<file_sep>"),
        file="<file_sep>",
        repo="<repo_name>",
    ),
    Family(
        "santacoder",
        "<fim-prefix>",
        "<fim-suffix>",
        "<fim-middle>",
        ("spm", "psm"),
        ("<|endoftext|>",),
    ),
    # The README of deepseek-ai/DeepSeek-Coder gives one order only.
    Family(
        "deepseek",
        "<\uff5cfim▁begin\uff5c>",
        "<\uff5cfim▁hole\uff5c>",
        "<\uff5cfim▁end\uff5c>",
        ("psm",),
        ("<\uff5cend▁of▁sentence\uff5c>",),
    ),
    Family(
        "codegemma",
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        ("psm",),
        ("<|file_separator|>", "<eos>"),
        file="<|file_separator|>",
        needs=("<|file_separator|>",),
    ),
    # Qwen2.5-Coder, and Granite 4, whose sentinels are spelled the same.
    Family(
        "qwen",
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        ("psm",),
        ("<|endoftext|>", "<|end_of_text|>", "<|fim_pad|>", "<|file_sep|>", "<|repo_name|>"),
        file="<|file_sep|>",
        repo="<|repo_name|>",
    ),
    # mistral-common, `encode_fim`: the prefix's sentinel is the last one.
    Family("codestral", "[PREFIX]", "[SUFFIX]", None, ("spm",), ("[SUFFIX]", "[PREFIX]")),
)


def find_family(
    tokenizer: Tokenizer, *, vocab_size: int, wanted: str | None
) -> InfillFamily | None:
    """The infill family of a model, or None if it has none.

    Args:
        tokenizer: the model's vocabulary.
        vocab_size: rows of its embedding.
        wanted: a family's name, "none", or None to recognise it.

    Raises:
        ModelError: no such family, its tokens are not in the vocabulary, or their ids are not in
            the embedding.
    """
    if wanted == "none":
        return None
    if wanted is None:
        candidates: Sequence[Family] = [entry for entry in FAMILIES if _is_in(entry, tokenizer)]
        return _resolve(candidates[0], tokenizer, vocab_size) if candidates else None
    named = [entry for entry in FAMILIES if entry.name == wanted]
    if not named:
        names = ", ".join(entry.name for entry in FAMILIES)
        raise ModelError(f"unknown infill family {wanted!r}: choose one of {names}, none")
    return _resolve(named[0], tokenizer, vocab_size)


def _is_in(family: Family, tokenizer: Tokenizer) -> bool:
    pieces = (family.prefix, family.suffix, family.middle, *family.needs)
    return all(tokenizer.token_id(piece) is not None for piece in pieces if piece is not None)


def _resolve(family: Family, tokenizer: Tokenizer, vocab_size: int) -> InfillFamily:
    def required(piece: str) -> int:
        token_id = tokenizer.token_id(piece)
        if token_id is None:
            raise ModelError(
                f"the vocabulary has no {piece!r}, which infill family {family.name!r} needs: "
                "choose another with --fim-family"
            )
        if token_id >= vocab_size:
            raise ModelError(
                f"{piece!r} has id {token_id}, outside of the embedding with {vocab_size} rows: "
                "the tokenizer does not belong to these weights; --fim-family none goes without"
            )
        return token_id

    ids = (tokenizer.token_id(piece) for piece in family.stops)
    file_id = _optional(family.file, tokenizer, vocab_size)
    return InfillFamily(
        name=family.name,
        prefix_id=required(family.prefix),
        suffix_id=required(family.suffix),
        middle_id=None if family.middle is None else required(family.middle),
        orders=family.orders,
        stop_ids=frozenset(found for found in ids if found is not None) | tokenizer.eos_ids,
        file_id=file_id,
        repo_id=None if file_id is None else _optional(family.repo, tokenizer, vocab_size),
    )


def _optional(piece: str | None, tokenizer: Tokenizer, vocab_size: int) -> int | None:
    token_id = None if piece is None else tokenizer.token_id(piece)
    return token_id if token_id is not None and token_id < vocab_size else None
