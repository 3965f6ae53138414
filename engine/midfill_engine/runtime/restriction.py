"""Which tokens of one sequence may come next: the text to repeat first, and the grammar to obey.

Masks per place, for the drafts' places too. Owned by one sequence, on the engine thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np

from midfill_engine.errors import EngineError
from midfill_engine.exec.constrain import Constraint
from midfill_engine.exec.work import Mask
from midfill_engine.runtime.request import GenerationRequest
from midfill_engine.text.heal import HealingState
from midfill_engine.text.tokenizer import Tokenizer


class Restriction:
    """What a request asks of its answer's tokens, and how far the answer has come."""

    def __init__(self, request: GenerationRequest, tokenizer: Tokenizer) -> None:
        """Begin before the first token."""
        self._tokenizer = tokenizer
        self._stop_ids = request.stop_token_ids
        self._healing = HealingState(request.healing)
        self._constraint = None if request.grammar is None else request.grammar.begin()
        self._mask: Mask | None = None
        self._mask_is_known = False

    @property
    def num_repeated(self) -> int:
        """Tokens that only repeated healed text."""
        return self._healing.num_repeated

    @property
    def complete(self) -> bool:
        """Whether the grammar is satisfied and lets nothing follow."""
        return self._constraint is not None and self._constraint.complete

    def mask(self) -> Mask | None:
        """Which tokens may come next; None: any.

        Raises:
            EngineError: none may, or the grammar has become too much for its bounds.
        """
        if not self._mask_is_known:
            self._mask = self._mask_of(self._healing, self._constraint)
            self._mask_is_known = True
        return self._mask

    def along(self, drafts: Sequence[int]) -> list[Mask | None]:
        """Which tokens may come behind each of the drafts, up to the first that may not come.

        Drafts end before a stop token, and where the grammar does not go on: whether it does is
        for the step to find out that chooses there.
        """
        healing = copy(self._healing)
        constraint = None if self._constraint is None else self._constraint.copy()
        mask = self.mask()
        masks: list[Mask | None] = []
        for token_id in drafts:
            if mask is not None and not (token_id < len(mask) and mask[token_id]):
                break
            if constraint is not None and token_id in self._stop_ids:
                break
            healing.accept(self._tokenizer.token_bytes(token_id))
            try:
                if constraint is not None:
                    constraint.accept(token_id)
                mask = self._mask_of(healing, constraint)
            except EngineError:
                break
            masks.append(mask)
        return masks

    def accept(self, token_id: int) -> bool:
        """Take a chosen token in; returns whether it only repeats healed text.

        Raises:
            EngineError: the grammar has become too much for its bounds.
        """
        self._mask_is_known = False
        repeats = self._healing.accept(self._tokenizer.token_bytes(token_id))
        if self._constraint is not None and token_id not in self._stop_ids:
            self._constraint.accept(token_id)
        return repeats

    def _mask_of(self, healing: HealingState, constraint: Constraint | None) -> Mask | None:
        healed = _healing_mask(healing)
        if constraint is None:
            return healed
        mask = constraint.mask(self._stop_ids)
        if healed is not None:
            mask = mask & healed
        if not mask.any():
            raise EngineError("no token of this model goes on as the grammar demands")
        return mask


def _healing_mask(healing: HealingState) -> Mask | None:
    ids = healing.allowed()
    if ids is None or healing.healing is None:
        return None
    mask = np.zeros(healing.healing.pieces.vocab_size, dtype=np.bool_)
    mask[np.asarray(ids, dtype=np.int64)] = True
    return mask
