"""How a vocabulary writes bytes as pieces, and the way back: a token's piece to its bytes.

Two kinds cover the models of the table in `families`: the Llama kind writes a space as a
meta-space and a byte that is no character as `<0x0A>`; the byte-level kind of GPT-2 writes every
byte as a printable character. Anything else is `other`, and its tokens cannot be turned into bytes
one by one. Called by `tokenizer` while a model loads; knows no `tokenizers` object, only its JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, cast

Kind: TypeAlias = Literal["metaspace", "byte_level", "other"]

METASPACE: Final = "\u2581"
_NFC_CHARS: Final = 4
"""That NFC makes one of at most, as in U+1F82 (Unicode Standard Annex 15)."""
_BYTE_PIECE: Final = re.compile(r"<0x([0-9A-Fa-f]{2})>\Z")


def kind_of(spec: Mapping[str, Any]) -> Kind:
    """The kind of a parsed `tokenizer.json`, read from its decoder."""
    steps = steps_of(spec.get("decoder"), "decoders")
    types = {step.get("type") for step in steps}
    if "ByteLevel" in types:
        return "byte_level"
    replaces = any(
        step.get("type") == "Replace" and step.get("pattern") == {"String": METASPACE}
        for step in steps
    )
    known = {"Replace", "ByteFallback", "Fuse", "Strip", "Metaspace"}
    if types <= known and (replaces or "Metaspace" in types):
        return "metaspace"
    return "other"


def piece_bytes(piece: str, kind: Kind, *, added: bool) -> bytes:
    """The bytes that one piece stands for.

    Args:
        piece: the piece as the vocabulary writes it.
        kind: `metaspace` or `byte_level`.
        added: whether it is an added token, which the byte-level kind writes as plain text.
    """
    if kind == "metaspace":
        byte = _BYTE_PIECE.match(piece)
        if byte is not None:
            return bytes([int(byte.group(1), 16)])
        return piece.replace(METASPACE, " ").encode("utf-8", "replace")
    if not added:
        try:
            return bytes(_BYTE_OF[char] for char in piece)
        except KeyError:
            pass
    return piece.encode("utf-8", "replace")


def leading_space_of(spec: Mapping[str, Any]) -> Literal["always", "unless_space", "never"]:
    """Whether this tokenizer puts a space before a text, and whether a text's own space counts."""
    for step in steps_of(spec.get("normalizer"), "normalizers"):
        if step.get("type") == "Prepend" and step.get("prepend") == METASPACE:
            return "always"
    for step in steps_of(spec.get("pre_tokenizer"), "pretokenizers"):
        if step.get("type") == "Metaspace":
            scheme = step.get("prepend_scheme")
            if scheme is None:
                scheme = "always" if step.get("add_prefix_space", True) else "never"
            return "never" if scheme == "never" else "unless_space"
        if step.get("type") == "ByteLevel" and step.get("add_prefix_space", True):
            return "unless_space"
    return "never"


def spaces_once(spec: Mapping[str, Any]) -> bool:
    """Whether only the text's beginning gets that space, not what follows an added token."""
    steps = steps_of(spec.get("pre_tokenizer"), "pretokenizers")
    return any(
        step.get("type") == "Metaspace" and step.get("prepend_scheme") == "first" for step in steps
    )


def most_chars_of(spec: Mapping[str, Any], vocab: Iterable[str]) -> int | None:
    """The most characters of a text that one token stands for; None if there may be any number.

    There may be where unknown characters melt into one token, where an added token takes in the
    blanks beside it, and where a normalizer shortens the text in a way that is not known here.
    """
    model: Mapping[str, Any] = spec.get("model") or {}
    spells_bytes = kind_of(spec) == "byte_level" or model.get("byte_fallback")
    added: list[dict[str, Any]] = spec.get("added_tokens") or []
    takes_blanks = any(token.get("lstrip") or token.get("rstrip") for token in added)
    shrinks = [_shrinks(step) for step in steps_of(spec.get("normalizer"), "normalizers")]
    if not spells_bytes or takes_blanks or None in shrinks:
        return None
    return max(map(len, vocab), default=1) * max((most for most in shrinks if most), default=1)


def _shrinks(step: Mapping[str, Any]) -> int | None:
    """How many characters a normalizer's step makes one of at most; None: any number."""
    if step.get("type") == "Replace":
        pattern: Mapping[str, str] = step.get("pattern") or {}
        return 1 if len(pattern.get("String", "")) == 1 and step.get("content") else None
    return {"NFC": _NFC_CHARS, "Prepend": 1}.get(str(step.get("type")))


def without_leading_space(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The same tokenizer, which puts no space before a text."""
    changed = dict(spec)
    changed["normalizer"] = _rebuilt(spec.get("normalizer"), "normalizers")
    changed["pre_tokenizer"] = _rebuilt(spec.get("pre_tokenizer"), "pretokenizers")
    return changed


def steps_of(node: object, key: str) -> list[dict[str, Any]]:
    """The parts of a normalizer, pre-tokenizer, post-processor or decoder, a sequence or not."""
    if not isinstance(node, dict) or not node:
        return []
    one = cast("dict[str, Any]", node)
    return list(one.get(key, [])) if one.get("type") == "Sequence" else [one]


def _rebuilt(node: dict[str, Any] | None, key: str) -> dict[str, Any] | None:
    steps = [_without_space(step) for step in steps_of(node, key) if step.get("type") != "Prepend"]
    if not steps:
        return None
    return steps[0] if len(steps) == 1 else {"type": "Sequence", key: steps}


def _without_space(step: dict[str, Any]) -> dict[str, Any]:
    if step.get("type") == "Metaspace":
        kept = {name: value for name, value in step.items() if name != "add_prefix_space"}
        return {**kept, "prepend_scheme": "never"}
    if step.get("type") == "ByteLevel":
        return {**step, "add_prefix_space": False}
    return step


def _byte_of() -> dict[str, int]:
    """GPT-2's map from printable characters to bytes (openai/gpt-2, `encoder.py`)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(256) if byte not in set(printable)]
    table.update({chr(256 + idx): byte for idx, byte in enumerate(others)})
    return table


_BYTE_OF: Final = _byte_of()
