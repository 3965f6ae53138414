"""Text to token ids and back, from a model folder's `tokenizer.json`.

Two `tokenizers` objects stand behind one `Tokenizer`: `plain` has no control tokens at all, so
that a sentinel in a user's code stays plain text; `rich` is the file as it is, for the dialects
whose text means its control tokens. Both are only read after loading, and what `line_encoder`
remembers is behind a lock, which makes this object safe to share between threads. Knows no model
families; called by `fim`, `serve` and `runtime`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from tokenizers import Tokenizer as RawTokenizer

from midfill_engine.errors import ModelError
from midfill_engine.small_file import read_json
from midfill_engine.text import pieces
from midfill_engine.text.control_tokens import CONTROL, plain_spec
from midfill_engine.text.line_encoder import LineEncoder, encoding_of
from midfill_engine.text.special_ids import SpecialIds

_LLAMA_SENTINEL: Final = re.compile(r" ?<(PRE|SUF|MID|EOT)>")
_LLAMA_PIECES: Final = tuple(f"{pieces.METASPACE}<{name}>" for name in ("PRE", "SUF", "MID"))


@dataclass(frozen=True, slots=True)
class _Coders:
    rich: RawTokenizer
    plain: RawTokenizer
    lines: LineEncoder  # `plain`'s
    kind: pieces.Kind
    leading_space: str
    spaces_once: bool
    most_chars: int | None  # of a text that a token stands for; None: any number


class Tokenizer:
    """One model's vocabulary.

    Attributes:
        bos_id: the beginning-of-sequence token, or None where the model has none.
        adds_bos: whether a text of this model starts with it.
        eos_ids: the tokens that end a text.
        vocab_size: one more than the largest id.
        kind: how pieces write bytes.
        control_texts: the control tokens that a text can spell, by id.
        normalizes_controls: whether a text that only looks like one of them counts as well.
        spaces_every_stretch: whether the implicit leading space also comes behind control tokens.
    """

    def __init__(self, coders: _Coders, special: SpecialIds) -> None:
        """Use `Tokenizer.load`."""
        self._coders = coders
        added = coders.rich.get_added_tokens_decoder()
        self._control = {
            token_id
            for token_id, token in added.items()
            if token.special or CONTROL.fullmatch(token.content)
        }
        self._control.update(special.eos_ids)
        if special.bos_id is not None:
            self._control.add(special.bos_id)
        self._added = frozenset(added)
        vocab = coders.rich.get_vocab(with_added_tokens=True)
        self._text_of = {token_id: text for text, token_id in vocab.items()}
        self._sentinels = self._llama_sentinels()
        controls = {
            token_id: token for token_id, token in added.items() if self.is_special(token_id)
        }
        self.control_texts = {token_id: token.content for token_id, token in controls.items()}
        self.normalizes_controls = any(token.normalized for token in controls.values())
        self.spaces_every_stretch = not coders.spaces_once
        self.kind: pieces.Kind = coders.kind
        self.bos_id = special.bos_id
        self.adds_bos = special.adds_bos
        self.eos_ids = special.eos_ids
        self.vocab_size = max(self._text_of, default=-1) + 1

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Read `tokenizer.json` and the special ids that stand beside it.

        Raises:
            ModelError: the file is missing or broken.
        """
        path = folder / "tokenizer.json"
        remedy = "put the model's tokenizer.json there (a fast tokenizer of Hugging Face)"
        try:
            spec = cast("dict[str, Any]", read_json(path))
            rich = RawTokenizer.from_str(json.dumps({**spec, "post_processor": None}))
            bare = plain_spec(spec)
            plain = RawTokenizer.from_str(json.dumps(bare))
        except FileNotFoundError:
            raise ModelError(f"no tokenizer at {path}: {remedy}") from None
        except Exception as error:  # `tokenizers` raises bare Exception for a broken file
            raise ModelError(f"{path} is not a tokenizer ({_one_line(error)}): {remedy}") from error
        for coder in (rich, plain):
            coder.no_truncation()
            coder.no_padding()
        coders = _Coders(
            rich,
            plain,
            LineEncoder(plain, bare),
            pieces.kind_of(spec),
            pieces.leading_space_of(spec),
            spaces_once=pieces.spaces_once(spec),
            most_chars=pieces.most_chars_of(spec, rich.get_vocab(with_added_tokens=True)),
        )
        return cls(coders, SpecialIds.read(folder, spec, rich.token_to_id))

    def encode(self, text: str, *, bos: bool, leading_space: bool = True) -> list[int]:
        """Token ids of a text in which nothing is a control token.

        Args:
            text: any text; a lone surrogate becomes U+FFFD.
            bos: put the beginning-of-sequence token first if this model's texts start with one.
            leading_space: put a space first if this tokenizer does so (Llama 2, Code Llama);
                False encodes the text exactly.
        """
        text = without_surrogates(text)
        if leading_space and text and self._wants_space(text):
            text = " " + text
        ids = self._coders.lines.encode(text)
        if not self._control.isdisjoint(ids):
            ids = [part for token_id in ids for part in self._spelled_out(token_id)]
        return [*self._bos(bos), *ids]

    def encode_with_specials(self, text: str) -> list[int]:
        """Token ids of a text whose control tokens are meant (TGI's and the PRO API's prompts).

        The beginning-of-sequence token comes first unless the text itself starts with it. In a
        model with Code Llama's sentinels, `<PRE> {prefix} <SUF>{suffix} <MID>` reads as the
        sentinels, and the texts after them are plain.
        """
        text = without_surrogates(text)
        first = _LLAMA_SENTINEL.search(text) if self._sentinels else None
        head = text if first is None else text[: first.start()]
        ids: list[int] = []
        if head:
            ids = encoding_of(self._coders.rich, head).ids
        if first is not None:
            ids.extend(self._encode_infill_text(text[first.start() :]))
        return ids if ids[:1] == [self.bos_id] else [*self._bos(True), *ids]

    def encode_plain(self, text: str, *, leading_space: bool) -> list[tuple[int, int, int]]:
        """As `encode`, and the characters [start, end) of the text that each id stands for."""
        shift = int(leading_space and text != "" and self._wants_space(text))
        found = encoding_of(self._coders.plain, " " * shift + text)
        return [
            (part_id, max(0, start - shift), end - shift)
            for token_id, (start, end) in zip(found.ids, found.offsets, strict=True)
            for part_id in self._spelled_out(token_id)
        ]

    def encode_rich(self, text: str) -> list[tuple[int, int, int]]:
        """The file's own encoding: ids, and the characters [start, end) that each stands for."""
        found = encoding_of(self._coders.rich, text)
        return [
            (token_id, start, end)
            for token_id, (start, end) in zip(found.ids, found.offsets, strict=True)
        ]

    def least_tokens(self, num_chars: int) -> int:
        """How many tokens a text of so many characters has at the least; 0 if nobody can tell."""
        most = self._coders.most_chars
        return 0 if most is None else num_chars // most

    def is_special(self, token_id: int) -> bool:
        """Whether this is a control token, which is no text."""
        return token_id in self._control

    def token_text(self, token_id: int) -> str:
        """The piece as the vocabulary writes it; "" for an id outside of it."""
        return self._text_of.get(token_id, "")

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that a token adds to the text; none for a control token."""
        if token_id in self._control or token_id not in self._text_of:
            return b""
        if self.kind == "other":
            return self.decode([token_id]).encode("utf-8", "replace")
        added = token_id in self._added
        return pieces.piece_bytes(self._text_of[token_id], self.kind, added=added)

    def token_id(self, text: str) -> int | None:
        """The id of a piece, or None if the vocabulary lacks it."""
        found: int | None = self._coders.rich.token_to_id(text)
        return found

    def decode(self, ids: list[int]) -> str:
        """The text of tokens as the `tokenizers` library decodes it, control tokens left out."""
        text: str = self._coders.rich.decode(ids, skip_special_tokens=True)
        return text

    def _bos(self, wanted: bool) -> list[int]:
        return [self.bos_id] if wanted and self.adds_bos and self.bos_id is not None else []

    def _wants_space(self, text: str) -> bool:
        rule = self._coders.leading_space
        if rule == "unless_space":
            return not text.startswith((" ", pieces.METASPACE))
        return rule == "always"

    def _spelled_out(self, token_id: int) -> list[int]:
        """A control token that a vocabulary's merges built from plain text, cut in two."""
        if token_id not in self._control:
            return [token_id]
        text = self._text_of[token_id].replace(pieces.METASPACE, " ")
        parts = [text[:1], text[1:]] if len(text) > 1 else []
        return [
            part_id
            for part in parts
            for part_id in self._coders.plain.encode(part, add_special_tokens=False).ids
            if part_id not in self._control
        ]

    def _llama_sentinels(self) -> dict[str, int]:
        ids = {name: self._coders.rich.token_to_id(name) for name in _LLAMA_PIECES}
        if any(token_id is None for token_id in ids.values()):
            return {}
        eot = f"{pieces.METASPACE}<EOT>"
        ids[eot] = self._coders.rich.token_to_id(eot)
        return {name: token_id for name, token_id in ids.items() if token_id is not None}

    def _encode_infill_text(self, text: str) -> list[int]:
        """Ids of a text that starts with one of Code Llama's sentinels.

        The space after `<PRE>`, and after `<MID>` with the suffix first, is part of the form. It is
        the implicit leading space of Code Llama; a tokenizer that adds none leaves it out.
        """
        drops_space = self._coders.leading_space == "never"
        ids: list[int] = []
        suffix_first = False
        marks = list(_LLAMA_SENTINEL.finditer(text))
        ends = [*(mark.start() for mark in marks[1:]), len(text)]
        for mark, end in zip(marks, ends, strict=True):
            name, body = mark.group(1), text[mark.end() : end]
            suffix_first = suffix_first or (name == "PRE" and body == "" and end < len(text))
            sentinel = self._sentinels.get(f"{pieces.METASPACE}<{name}>")
            ids.extend(() if sentinel is None else (sentinel,))
            if drops_space and (name == "PRE" or (name == "MID" and suffix_first)):
                body = body.removeprefix(" ")
            ids.extend(self.encode(body, bos=False, leading_space=False))
        return ids


def without_surrogates(text: str) -> str:
    """The text with every lone surrogate, which no encoding can write, as U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _one_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


_SURROGATE: Final = re.compile("[\ud800-\udfff]")
