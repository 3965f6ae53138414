"""Which tokens of one sequence may come next, given those that came: the text to repeat first.

Masks per place, for the drafts' places too. Owned by one sequence, on the engine thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np

from midfill_engine.exec.work import Mask
from midfill_engine.runtime.request import GenerationRequest
from midfill_engine.text.heal import HealingState
from midfill_engine.text.tokenizer import Tokenizer


class Restriction:
    """What a request asks of its answer's tokens, and how far the answer has come."""

    def __init__(self, request: GenerationRequest, tokenizer: Tokenizer) -> None:
        """Begin before the first token."""
        self._tokenizer = tokenizer
        self._healing = HealingState(request.healing)

    @property
    def num_repeated(self) -> int:
        """Tokens that only repeated healed text."""
        return self._healing.num_repeated

    def mask(self) -> Mask | None:
        """Which tokens may come next; None: any."""
        return _healing_mask(self._healing)

    def along(self, drafts: Sequence[int]) -> list[Mask | None]:
        """Which tokens may come behind each of the drafts, up to the first that may not come."""
        healing = copy(self._healing)
        masks: list[Mask | None] = []
        for token_id in drafts:
            piece = self._tokenizer.token_bytes(token_id)
            if not _goes_along(piece, healing.left):
                break
            healing.accept(piece)
            masks.append(_healing_mask(healing))
        return masks

    def accept(self, token_id: int) -> bool:
        """Take a chosen token in; returns whether it only repeats healed text."""
        return self._healing.accept(self._tokenizer.token_bytes(token_id))


def _healing_mask(healing: HealingState) -> Mask | None:
    ids = healing.allowed()
    if ids is None or healing.healing is None:
        return None
    mask = np.zeros(healing.healing.pieces.vocab_size, dtype=np.bool_)
    mask[np.asarray(ids, dtype=np.int64)] = True
    return mask


def _goes_along(piece: bytes, left: bytes) -> bool:
    """Whether a token can come while `left` has yet to be repeated; empty means control token."""
    return not left or (bool(piece) and (piece.startswith(left) or left.startswith(piece)))
