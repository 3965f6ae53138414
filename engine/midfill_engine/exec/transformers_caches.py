"""The caches of a transformers model, one per slot, always right for the text that they stand for.

    tokens    0 ................ start ................ len(tokens)
              |── kept by `cut` ──|── cut off, or kept for a later prefix ──|

A cache that keeps every position is cut to any length. One that does not (state-space layers,
compressed keys) can only go on where it stands: anything else is computed again from the tokens.
Called by `transformers_runner`.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from midfill_engine.exec.transformers_model import TransformersModel


@dataclass(slots=True)
class _Slot:
    """`cache` holds exactly `tokens`; None holds nothing, and they are computed again."""

    tokens: list[int] = field(default_factory=list[int])
    cache: Any = None


class TransformersCaches:
    """What each slot has computed; one thread calls."""

    def __init__(self, model: TransformersModel, num_slots: int) -> None:
        """Begin with nothing."""
        self._model = model
        self._slots = [_Slot() for _ in range(num_slots)]

    def __len__(self) -> int:
        """Number of slots."""
        return len(self._slots)

    def take(self, slot: int, start: int) -> tuple[list[int], Any]:
        """The tokens that have to be run before those at `start`, and the cache to run them on.

        Until `put`, the slot stands for its tokens only: a step that fails leaves no half-written
        cache behind. Without a cache of its own a model gets None and all tokens.
        """
        held = self._slots[slot]
        tokens, cache = held.tokens[:start], held.cache
        is_whole = len(held.tokens) == start
        held.tokens, held.cache = tokens, None
        if not self._model.takes_cache:
            return tokens, None
        if cache is not None and self._model.keeps_all_positions:
            _cut(cache, start)
            return [], cache
        if cache is not None and is_whole:
            return [], cache
        return tokens, self._model.new_cache()

    def put(self, slot: int, token_ids: list[int], cache: Any) -> None:  # noqa: ANN401  # untyped in transformers
        """Note that `token_ids` were run behind the slot's tokens."""
        held = self._slots[slot]
        held.tokens.extend(token_ids)
        held.cache = cache

    def copy_prefix(self, src: int, dst: int, length: int) -> None:
        """Let slot `dst` stand for the first `length` tokens of slot `src`."""
        source, target = self._slots[src], self._slots[dst]
        tokens, cache = source.tokens[:length], None
        if source.cache is not None and self._model.keeps_all_positions:
            cache = self._copied(source.cache, length)
        elif source.cache is not None and length == len(source.tokens):
            cache = deepcopy(source.cache)
        target.tokens, target.cache = tokens, cache

    def _copied(self, cache: Any, length: int) -> Any:  # noqa: ANN401  # untyped in transformers
        copy = self._model.new_cache()
        for layer_idx, layer in enumerate(cache.layers):
            keys, values = layer.keys[..., :length, :], layer.values[..., :length, :]
            copy.update(keys, values, layer_idx)  # concatenates, so nothing is shared
        return copy


def _cut(cache: Any, length: int) -> None:  # noqa: ANN401  # untyped in transformers
    for layer in cache.layers:
        if layer.is_initialized:
            layer.keys = layer.keys[..., :length, :]
            layer.values = layer.values[..., :length, :]
