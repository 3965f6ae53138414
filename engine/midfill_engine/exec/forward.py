"""Several sequences' rows through the native decoder at once, and the tokens that come of them.

Where the best token is all that a work wants, the kernels find it on their way, and no logits leave
them; `verify.choose` on logits is the reference. Without torch; its own way is in `torch_forward`.
Called by `runner`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from midfill_engine.exec.sampling_params import SampledToken
from midfill_engine.exec.verify import choose, keep
from midfill_engine.exec.work import Work
from midfill_engine.model.ahead import Ahead, StepMade
from midfill_engine.model.native import NativeDecoder
from midfill_engine.model.native_cache import NativeCache
from midfill_engine.model.native_rows import Rows


class Cache(Protocol):
    """Keys and values as `runner` uses them."""

    @property
    def num_slots(self) -> int:
        """Number of sequences."""
        ...

    @property
    def max_len(self) -> int:
        """Positions of a sequence."""
        ...

    def copy_prefix(self, src: int, dst: int, length: int) -> None:
        """Copies positions [0, length) of slot `src` to slot `dst`."""
        ...


class Forward(Protocol):
    """A decoder and its cache as `runner` uses them."""

    @property
    def kernels(self) -> str:
        """What computes, in words for `/info`."""
        ...

    @property
    def attention(self) -> str:
        """How attention is computed, in words for `/info`."""
        ...

    @property
    def weights(self) -> str:
        """What the matrices are kept in."""
        ...

    @property
    def exact(self) -> bool:
        """Whether a row's numbers are the same however many rows share the step."""
        ...

    @property
    def max_rows(self) -> int | None:
        """As `Runner.max_rows`."""
        ...

    def run(self, works: Sequence[Work]) -> list[list[SampledToken]]:
        """Runs every work's tokens; returns what was chosen for each, see `Runner.run`."""
        ...


class NativeForward:
    """All rows of a step in one call of the CPU kernels."""

    exact = True
    max_rows = None

    def __init__(self, decoder: NativeDecoder, cache: NativeCache) -> None:
        """Takes what belongs together."""
        self._decoder = decoder
        self._cache = cache
        self.kernels = f"native {decoder.instruction_set}"
        self.attention = f"native, {cache.kind} cache"
        self.weights = decoder.kind

    def run(self, works: Sequence[Work]) -> list[list[SampledToken]]:
        """As `Forward.run`."""
        plain = [work.plain for work in works]
        keep_logits = any(
            work.num_logits and not each for work, each in zip(works, plain, strict=True)
        )
        outcome = self._decoder.step(_rows(works), self._cache, keep_logits=keep_logits)
        best = [*map(SampledToken, outcome.best, outcome.logprobs)]
        chosen: list[list[SampledToken]] = []
        begin = 0
        for work, each in zip(works, plain, strict=True):
            end = begin + work.num_logits
            if each:
                chosen.append(keep(best[begin:end], work))
            elif outcome.logits is not None and end > begin:
                chosen.append(choose(outcome.logits[begin:end], work, best[begin:end]))
            else:
                chosen.append([])
            begin = end
        return chosen

    def run_ahead(self, ahead: Ahead) -> list[StepMade]:
        """As `Runner.run_ahead`."""
        return self._decoder.run_ahead(ahead, self._cache)


def _rows(works: Sequence[Work]) -> Rows:
    """Returns the works' tokens side by side."""
    token_ids: list[int] = []
    positions: list[int] = []
    slots: list[int] = []
    logit_rows: list[int] = []
    for work in works:
        count = len(work.token_ids)
        token_ids += work.token_ids
        positions += range(work.start, work.start + count)
        slots += [work.slot] * count
        logit_rows += range(len(token_ids) - work.num_logits, len(token_ids))
    return Rows(token_ids, positions, slots, logit_rows)
