"""Which slot to give up: several editors' typing on few slots, under several rules.

    python bench/eviction.py

Each editor writes in three files (traces of `bench.traces`), a burst of keys at a time, then goes
on elsewhere; bursts of the editors alternate at random, and now and then somebody without a session
asks something long once. Prompts and slots are the engine's own, as in `bench/reuse.py`; nothing is
generated. The share of prompt tokens that needed no computing, over the editors' requests. The last
line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.reuse import ROOT, Window, read, served_without_model
from bench.traces import State, places, type_again
from midfill_engine.runtime.slots import Slot, SlotTable
from midfill_engine.serve.served import Served

FILES = 3
CHARS = 500
STRANGER_RATE = 0.15
"""Of the bursts, those before which somebody without a session asks once."""
STRANGER_TOKENS = (200, 1200)
VOCAB = 4000


class LeastRecent(SlotTable):
    """Knows no sessions: the best match if most of it is reused, else the least recent."""

    @staticmethod
    def _choose(
        free: list[Slot], match: Callable[[Slot], int], session: str | None, best: Slot
    ) -> Slot:
        if not best.busy and 2 * match(best) > len(best.tokens):
            return best
        return min(free, key=lambda slot: (bool(slot.tokens), slot.last_used))


class AnySlot(SlotTable):
    """Gives up any slot; which one hangs on what the slots hold, so that runs can be repeated."""

    @staticmethod
    def _choose(
        free: list[Slot], match: Callable[[Slot], int], session: str | None, best: Slot
    ) -> Slot:
        if not best.busy and 2 * match(best) > len(best.tokens):
            return best
        return random.Random(sum(len(slot.tokens) for slot in free)).choice(free)


RULES: dict[str, type[SlotTable]] = {
    "sessions, least recent (the engine's)": SlotTable,
    "least recent": LeastRecent,
    "any": AnySlot,
}


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt and whose it is; no session: a stranger's."""

    session: str | None
    prompt_ids: tuple[int, ...]


@dataclass(slots=True)
class Place:
    """A file that somebody writes in."""

    name: str
    states: Iterator[State]


def traffic(
    texts: Sequence[str], editors: int, bursts: int, seed: int
) -> Iterator[tuple[str, list[State]]]:
    """Yields the bursts in their order: 10 to 60 keys, half of them where the last one ended."""
    rng = random.Random(seed)
    stretches = iter(places(texts, editors * FILES + bursts, CHARS, seed))
    open_files: list[list[Place]] = [
        [_place(f"{editor}/{file}", next(stretches), rng) for file in range(FILES)]
        for editor in range(editors)
    ]
    at = [0] * editors
    for _ in range(bursts):
        editor = rng.randrange(editors)
        if rng.random() < 0.5:
            at[editor] = rng.randrange(FILES)
        place = open_files[editor][at[editor]]
        keys = list(islice(place.states, rng.randint(10, 60)))
        if not keys:
            place = _place(place.name, next(stretches), rng)
            open_files[editor][at[editor]] = place
            keys = list(islice(place.states, rng.randint(10, 60)))
        yield place.name, keys


def _place(name: str, stretch: tuple[str, int, int], rng: random.Random) -> Place:
    text, start, end = stretch
    return Place(name, type_again(text, start, end, random.Random(rng.random())))


async def prompts(
    served: Served, bursts: Iterator[tuple[str, list[State]]], seed: int
) -> list[Request]:
    """Returns the requests in their order, the strangers' among them."""
    rng = random.Random(seed)
    window = Window(served, frozen=True)
    requests: list[Request] = []
    for name, states in bursts:
        if rng.random() < STRANGER_RATE:
            length = rng.randint(*STRANGER_TOKENS)
            requests.append(Request(None, tuple(rng.randrange(VOCAB) for _ in range(length))))
        for state in states:
            generation, _ = await window.request(name, "python", state)
            requests.append(Request(name, generation.prompt_ids))
    return requests


def share(slots: SlotTable, requests: Sequence[Request]) -> float:
    """Returns the share of the editors' prompt tokens that were reused."""
    total = reused = 0
    for request in requests:
        placement = slots.acquire(request.prompt_ids, request.session, reuse=True)
        assert placement is not None
        slots.extend(placement.slot, request.prompt_ids[placement.cached_len :])
        slots.release(placement.slot, keep=True)
        if request.session is not None:
            total += len(request.prompt_ids)
            reused += placement.cached_len
    return reused / total


def main() -> None:
    """Measures from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--model", type=Path, default=ROOT / "engine" / "midfill_engine" / "starter")
    add("--context", type=int, default=2048, help="tokens of the model's context")
    add("--editors", type=int, nargs="+", default=[1, 2, 4, 8])
    add("--slots", type=int, nargs="+", default=[2, 4, 8])
    add("--bursts", type=int, default=120)
    add("--seed", type=int, default=0)
    args = parser.parse_args()
    served = served_without_model(args.model, args.context)
    texts = list(read([Path(sysconfig.get_path("stdlib")), ROOT / "engine"], [".py"]))
    rows: list[dict[str, float]] = []
    print(f"| editors | slots | {' | '.join(RULES)} | no eviction |")
    print("| --- " * (3 + len(RULES)) + "|")
    for editors in args.editors:
        bursts = traffic(texts, editors, args.bursts, args.seed)
        requests = asyncio.run(prompts(served, bursts, args.seed))
        ample = share(SlotTable(len(requests)), requests)
        for num_slots in args.slots:
            shares = {name: share(rule(num_slots), requests) for name, rule in RULES.items()}
            shares["no eviction"] = ample
            cells = " | ".join(f"{value:.1%}" for value in shares.values())
            print(f"| {editors} | {num_slots} | {cells} |", flush=True)
            rows.append({"editors": editors, "slots": num_slots, **shares})
    print(json.dumps({"bench": "eviction", "bursts": args.bursts, "seed": args.seed, "rows": rows}))


if __name__ == "__main__":
    main()
