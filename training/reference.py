"""Infill with stock transformers: the slow, plain path that the engine is compared with.

Builds the prompt as token ids in both orders. Called by ``bench.quality``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer

from training.batches import encoder, sentinels_of
from training.tokenizer import plain

Order = Literal["psm", "spm"]

SUFFIX_SHARE = 0.25
"""Of the prompt's budget, at most this goes to the suffix when both sides are long."""


class Reference:
    """A model folder, loaded by transformers in float32 on the CPU."""

    def __init__(self, folder: Path) -> None:
        """Loads tokenizer and model."""
        from transformers import AutoModelForCausalLM

        self._tokenizer = plain(Tokenizer.from_file(str(folder / "tokenizer.json")))
        self._sentinels = sentinels_of(self._tokenizer)
        loader: Any = AutoModelForCausalLM
        self._model = loader.from_pretrained(folder, dtype=torch.float32).eval()
        self._pieces = pieces(self._tokenizer)
        self._context_len = int(self._model.config.max_position_embeddings)

    def prompt(self, prefix: str, suffix: str, order: Order, num_predict: int) -> list[int]:
        """Returns the prompt's ids, cut so that ``num_predict`` more fit into the context."""
        budget = self._context_len - num_predict - 4
        chars = budget * 6
        encode, s = encoder(self._tokenizer), self._sentinels
        before, after = encode(prefix[-chars:]), encode(suffix[:chars])
        room = max(int(budget * SUFFIX_SHARE), budget - len(before))
        after = after[:room]
        before = before[max(0, len(before) - (budget - len(after))) :]
        if order == "psm":
            return [s.bos, s.pre, *before, s.suf, *after, s.mid]
        return [s.bos, s.pre, s.suf, *after, s.mid, *before]

    @torch.inference_mode()
    def complete(
        self, prefix: str, suffix: str, order: Order, num_predict: int, heal: bool = False
    ) -> str:
        """Returns the greedy completion up to a line end, a stop token or ``num_predict``.

        With ``heal`` (suffix first only) the prompt's last token is taken back, and the answer
        begins with its text again, in whichever tokens the model likes best.
        """
        ids = self.prompt(prefix, suffix, order, num_predict)
        must = ""
        if heal and order == "spm" and self._pieces[ids[-1]].isprintable():
            must = self._pieces[ids.pop()]
        taken_len = len(must)
        stop = {self._sentinels.eot, self._sentinels.eos}
        made: list[int] = []
        cache: Any = None
        step = torch.tensor([ids])
        while len(made) < num_predict:
            out = self._model(input_ids=step, past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            best = self._best(out.logits[0, -1], must)
            if best in stop:
                break
            made.append(best)
            must = must[len(self._pieces[best]) :]
            if "\n" in self._pieces[best]:
                break
            step = torch.tensor([[best]])
        return str(self._tokenizer.decode(made, skip_special_tokens=False))[taken_len:]

    def _best(self, logits: torch.Tensor, must: str) -> int:
        """Returns the likeliest id, of those that agree with ``must`` where it is not empty."""
        if not must:
            return int(logits.argmax())
        agree = [
            idx
            for idx, piece in enumerate(self._pieces)
            if piece and (piece.startswith(must) or must.startswith(piece))
        ]
        return agree[int(logits[agree].argmax())]


def pieces(tokenizer: Tokenizer) -> list[str]:
    """Returns the text of each id; empty for special tokens and for bytes outside ASCII."""
    added = set(tokenizer.get_added_tokens_decoder())
    texts = [
        tokenizer.decode([idx], skip_special_tokens=False) if idx not in added else ""
        for idx in range(tokenizer.get_vocab_size())
    ]
    return ["" if "\ufffd" in text else text for text in texts]
