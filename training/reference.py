"""Infill with stock transformers: the slow, plain path that the engine is compared with.

Builds the prompt as token ids in each order, with token healing or without. Called by
``bench.quality`` and its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer

from training.batches import encoder, sentinels_of
from training.tokenizer import plain

Order = Literal["spm", "psm", "psm_line"]
"""Suffix first; prefix first; prefix first with the cursor's line behind the middle sentinel."""
ORDERS: tuple[Order, ...] = ("spm", "psm", "psm_line")

SUFFIX_SHARE = 0.25
"""Of the prompt's budget, at most this goes to the suffix when both sides are long."""
HEAL_TOKENS = 3
HEAL_BYTES = 16
"""At most so much is taken back: the engine's bounds."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids, and the bytes that were taken off their end for the answer to repeat."""

    ids: list[int]
    must: bytes = b""


@dataclass(frozen=True, slots=True)
class Completion:
    """Ids, those included that only repeat ``must``, and the text without what they repeat."""

    ids: list[int]
    text: str


class Vocabulary:
    """A tokenizer as the prompts need it: texts to ids, ids to bytes, token healing."""

    def __init__(self, folder: Path) -> None:
        """Reads ``tokenizer.json``: of the Llama kind, with byte fallback for every byte."""
        self._tokenizer = plain(Tokenizer.from_file(str(folder / "tokenizer.json")))
        self.sentinels = sentinels_of(self._tokenizer)
        self.encode = encoder(self._tokenizer)
        self.size = self._tokenizer.get_vocab_size()

    @cached_property
    def pieces(self) -> list[bytes]:
        """The bytes of each id; empty for special tokens."""
        added = set(self._tokenizer.get_added_tokens_decoder())
        return [
            b"" if idx in added else piece_bytes(self._tokenizer.id_to_token(idx) or "")
            for idx in range(self.size)
        ]

    @cached_property
    def _extensible(self) -> frozenset[bytes]:
        """The beginnings of pieces, shorter than the piece."""
        return frozenset(piece[:end] for piece in self.pieces for end in range(1, len(piece)))

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of ids; a broken character becomes a replacement."""
        return b"".join(self.pieces[idx] for idx in ids).decode("utf-8", "replace")

    def take_back(self, ids: list[int]) -> bytes:
        """Cuts the tokens that the cursor may stand in off ``ids``; returns their bytes.

        The longest end of at most ``HEAL_TOKENS`` tokens and ``HEAL_BYTES`` bytes from which some
        piece goes on; never a line end.
        """
        text, best, count = b"", b"", 0
        for num, idx in enumerate(reversed(ids[-HEAL_TOKENS:]), start=1):
            piece = self.pieces[idx]
            text = piece + text
            if not piece or len(text) > HEAL_BYTES or b"\n" in piece or b"\r" in piece:
                break
            if text in self._extensible:
                best, count = text, num
        del ids[len(ids) - count :]
        return best

    def allowed(self, must: bytes) -> list[int]:
        """Returns the ids whose piece begins with ``must``, or is a beginning of it.

        What the latter leave can always be repeated, since every byte is a piece.
        """
        return [
            idx
            for idx, piece in enumerate(self.pieces)
            if piece and (piece.startswith(must) or must.startswith(piece))
        ]

    def prompt(
        self,
        prefix: str,
        suffix: str,
        order: Order,
        budget: int,
        heal: bool = False,
        extra: Sequence[str] = (),
    ) -> Prompt:
        """Returns the prompt of at most ``budget`` ids, 32 or more.

        Of ``extra``, texts of other files, as many of the last stand before the prefix as fit into
        a quarter of it.
        """
        head = prefix[prefix.rfind("\n") + 1 :] if order == "psm_line" else ""
        if order == "psm_line":
            prefix = prefix[: len(prefix) - len(head)]
        chars, s = budget * 6, self.sentinels
        others = self._within(extra, budget // 4)
        budget -= 4 + len(others)
        typed = self.encode(head)[-(budget // 4) :]
        budget -= len(typed)
        before, after = self.encode(prefix[-chars:]), self.encode(suffix[:chars])
        room = max(int(budget * SUFFIX_SHARE), budget - len(before))
        after = after[:room]
        before = before[max(0, len(before) - (budget - len(after))) :]
        before = others + before
        must = self.take_back(typed or before) if heal else b""
        if order == "spm":
            return Prompt([s.bos, s.pre, s.suf, *after, s.mid, *before], must)
        return Prompt([s.bos, s.pre, *before, s.suf, *after, s.mid, *typed], must)

    def _within(self, texts: Sequence[str], budget: int) -> list[int]:
        """Returns the ids of as many of the last texts as fit, whole and in their order."""
        ids: list[int] = []
        for text in reversed(texts):
            found = self.encode(text)
            if len(ids) + len(found) > budget:
                break
            ids = found + ids
        return ids


class Reference:
    """A model folder, loaded by transformers in float32 on the CPU."""

    def __init__(self, folder: Path) -> None:
        """Loads tokenizer and model."""
        from transformers import AutoModelForCausalLM

        self.vocabulary = Vocabulary(folder)
        loader: Any = AutoModelForCausalLM
        self.model = loader.from_pretrained(folder, dtype=torch.float32).eval()
        self._context_len = int(self.model.config.max_position_embeddings)

    def prompt(
        self,
        prefix: str,
        suffix: str,
        order: Order,
        num_predict: int,
        heal: bool = False,
        extra: Sequence[str] = (),
    ) -> Prompt:
        """Returns the prompt, cut so that ``num_predict`` more ids fit into the context."""
        budget = self._context_len - num_predict - (HEAL_BYTES if heal else 0)
        return self.vocabulary.prompt(prefix, suffix, order, budget, heal, extra)

    @torch.inference_mode()
    def complete(
        self,
        prefix: str,
        suffix: str,
        order: Order,
        num_predict: int,
        heal: bool = False,
        num_lines: int | None = 1,
        extra: Sequence[str] = (),
    ) -> Completion:
        """Returns the greedy completion.

        It ends with the ``num_lines``-th line end (None: no bound), before a stop token, or after
        ``num_predict`` ids that do more than repeat.
        """
        prompt = self.prompt(prefix, suffix, order, num_predict, heal, extra)
        must, num_ends, num_repeated = prompt.must, 0, 0
        stop = {self.vocabulary.sentinels.eot, self.vocabulary.sentinels.eos}
        made: list[int] = []
        cache: Any = None
        step = torch.tensor([prompt.ids])
        while len(made) < num_predict + num_repeated:
            out = self.model(input_ids=step, past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            best = self._best(out.logits[0, -1], must)
            if best in stop:
                break
            made.append(best)
            piece = self.vocabulary.pieces[best]
            num_repeated += bool(must) and len(piece) <= len(must)
            must, num_ends = must[len(piece) :], num_ends + piece.count(b"\n")
            if num_lines is not None and num_ends >= num_lines:
                break
            step = torch.tensor([[best]])
        data = b"".join(self.vocabulary.pieces[idx] for idx in made)
        return Completion(made, data[len(prompt.must) :].decode("utf-8", "replace"))

    def _best(self, logits: torch.Tensor, must: bytes) -> int:
        """Returns the likeliest id, of those that agree with ``must`` where it is not empty."""
        if not must:
            return int(logits.argmax())
        agree = self.vocabulary.allowed(must)
        return agree[int(logits[agree].argmax())]


def piece_bytes(piece: str) -> bytes:
    """Returns the bytes that a piece of a Llama vocabulary stands for."""
    byte = re.fullmatch(r"<0x([0-9A-F]{2})>", piece)
    return bytes([int(byte.group(1), 16)]) if byte else piece.replace("▁", " ").encode()
