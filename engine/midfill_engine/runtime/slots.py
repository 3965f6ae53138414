"""Which tokens each key/value slot holds, and which slot a new request should take.

Pure bookkeeping: the tensors belong to `model.kv_cache`, and `runtime.loop` keeps the two in step.
Everything here runs on the engine thread.

Of slot i, positions [0, len(tokens)) are readable, and tokens[j] is what was computed at j. Token
ids are kept in arrays: a list's numbers are objects apart, and whoever looks at them behind a step,
which has emptied the machine's caches, waits for each.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter


@dataclass(slots=True)
class Slot:
    """One slot's contents and owner."""

    idx: int
    tokens: array[int] = field(default_factory=lambda: array("I"))
    session: str | None = None
    busy: bool = False
    last_used: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a request goes.

    Attributes:
        slot: index of the slot that it takes.
        cached_len: its first `cached_len` prompt tokens need no computing.
        copy_from: another slot to copy [0, cached_len) from first; None if they are there already.
    """

    slot: int
    cached_len: int
    copy_from: int | None


class SlotTable:
    """Places requests on slots so that as much as possible of their prompt is already there."""

    def __init__(self, num_slots: int) -> None:
        """Start with `num_slots` empty slots (at least one)."""
        assert num_slots > 0
        self._slots = [Slot(idx) for idx in range(num_slots)]
        self._clock = 0

    def tokens(self, slot: int) -> Sequence[int]:
        """Return what the slot holds."""
        return self._slots[slot].tokens.tolist()

    @property
    def busy(self) -> list[int]:
        """Return the slots that are taken, ascending."""
        return [slot.idx for slot in self._slots if slot.busy]

    @property
    def has_free(self) -> bool:
        """Whether a request could be placed now."""
        return any(not slot.busy for slot in self._slots)

    def acquire(
        self, prompt_ids: Sequence[int], session: str | None, *, reuse: bool
    ) -> Placement | None:
        """Take a slot for a prompt, or return None while all are busy.

        At least the prompt's last token is left to compute, for its logits. The slot is cut to
        the reused prefix.
        """
        free = [slot for slot in self._slots if not slot.busy]
        if not free:
            return None
        prompt = array("I", prompt_ids)
        most = len(prompt) - 1 if reuse else 0
        matches: dict[int, int] = {}

        def match(slot: Slot) -> int:
            if slot.idx not in matches:
                matches[slot.idx] = common_prefix_len(slot.tokens, prompt, most)
            return matches[slot.idx]

        best = free[0]
        for slot in sorted(self._slots, key=attrgetter("last_used"), reverse=True):
            if (match(slot), not slot.busy) > (match(best), not best.busy):
                best = slot
            if match(best) == most and not best.busy:  # no other can hold more
                break
        taken = self._choose(free, match, session, best)
        cached_len = max(match(taken), match(best))
        copy_from = best.idx if match(best) > match(taken) else None
        self._clock += 1
        taken.tokens = prompt[:cached_len]
        taken.session, taken.busy, taken.last_used = session, True, self._clock
        return Placement(taken.idx, cached_len, copy_from)

    def extend(self, slot: int, token_ids: Sequence[int]) -> None:
        """Note that `token_ids` were computed at the end of the slot."""
        assert self._slots[slot].busy
        self._slots[slot].tokens.extend(token_ids)

    def release(self, slot: int, *, keep: bool) -> None:
        """Give the slot back; its contents stay for reuse if `keep`."""
        released = self._slots[slot]
        assert released.busy
        self._clock += 1
        released.busy, released.last_used = False, self._clock
        if not keep:
            released.tokens, released.session = array("I"), None

    def check_integrity(self) -> None:
        """Raise AssertionError if two busy slots belong to one session or a clock is off."""
        owners = [slot.session for slot in self._slots if slot.busy and slot.session]
        assert len(owners) == len(set(owners)), "two busy slots of one session"
        assert all(0 <= slot.last_used <= self._clock for slot in self._slots)
        assert [slot.idx for slot in self._slots] == list(range(len(self._slots)))

    @staticmethod
    def _choose(
        free: list[Slot], match: Callable[[Slot], int], session: str | None, best: Slot
    ) -> Slot:
        """Pick among the free slots: the session's own, the best match, empty, least recent."""
        own = [slot for slot in free if session is not None and slot.session == session]
        if own:
            return max(own, key=match)
        reused = 2 * match(best) > len(best.tokens)  # else more would be lost than reused
        if not best.busy and reused and best.session is None:
            return best
        return min(free, key=lambda slot: (bool(slot.tokens), bool(slot.session), slot.last_used))


def common_prefix_len(first: Sequence[int], second: Sequence[int], limit: int) -> int:
    """Return how many leading tokens of two sequences of one type agree, at most `limit`.

    Doubling, then halving on slice comparisons runs at memcmp-like speed where a Python loop would
    cost milliseconds on long prompts, and costs little where the first tokens differ.
    """
    high = min(len(first), len(second), limit)
    low, step = 0, 16  # [0, low) agree
    while low < high:
        middle = min(low + step, high)
        if first[low:middle] == second[low:middle]:
            low, step = middle, step * 2
        else:
            high, step = middle, max((middle - low) // 2, 1)
            if high == low + 1:
                break
    return low
