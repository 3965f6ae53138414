"""In-flight steering under random typing, cancels and streams, against a plain reference.

The reference knows no streams' life: whatever is shown at a cursor has to be the start of what
some stream has written there, and only while the document is as the request had it.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from dataclasses import dataclass, field

import pytest

from midfill_lsp.backend.base import StreamEnd
from midfill_lsp.complete import CompletionRequest, Suggestion
from midfill_lsp.errors import BackendError, EngineGone
from tests.lsp.complete.world import BLOCK_WAIT_S, GRACE_S, URI, HandStream, World, settle

LINE = "import os\n\nvalue = █\n\nprint(value)\n"
BLOCK = "import os\n\ndef f():\n    █\n\nprint(f)\n"
PIECES = {LINE: "ab cd_ef+", BLOCK: "ab cd_ef+\n"}
NUM_SEEDS, NUM_STEPS = 12, 150


@dataclass(eq=False)
class Asked:
    """A request, and what came of it while the document was as it had it."""

    request: CompletionRequest
    task: asyncio.Task[tuple[Suggestion, ...]]
    partial: list[str] = field(default_factory=list[str])
    replied: bool = False


class Typist:
    """Does one random thing after another, and checks what must hold after each."""

    def __init__(self, seed: int, code: str) -> None:
        self.random = random.Random(seed)
        self.world = World(code)
        self.pieces = PIECES[code]
        self.asked: list[Asked] = []
        self.plans: dict[HandStream, str] = {}  # what each stream has still to write
        self.written: dict[HandStream, str] = {}

    @property
    def waiting(self) -> list[Asked]:
        return [one for one in self.asked if not one.task.done()]

    def text(self, num_chars: int) -> str:
        text = "".join(self.random.choices(self.pieces, k=num_chars))
        return text.replace("\n", "\n    ")

    async def step(self) -> None:
        acts = {
            self.type_along: 5,
            self.type_anything: 2,
            self.delete: 1,
            self.ask: 6,
            self.cancel: 3,
            self.write: 6,
            self.end: 2,
            self.fail: 0.3,
            self.expire_grace: 0.5,
            self.expire_block_wait: 0.5,
            self.move: 0.3,
            self.reopen: 0.2,
            self.renew: 0.2,
        }
        (act,) = self.random.choices(list(acts), list(acts.values()))
        act()
        await settle()
        self.check()

    def type_along(self) -> None:
        """Type what the newest stream writes or will write."""
        if not self.world.backend.streams:
            return
        newest = self.world.backend.streams[-1]
        whole = newest.request.prefix + self.written.get(newest, "") + self.plans.get(newest, "")
        before = self.world.snapshot.text[: self.world.cursor]
        if whole.startswith(before) and len(whole) > len(before):
            self.world.type(whole[len(before) :][: self.random.randint(1, 3)])

    def type_anything(self) -> None:
        self.world.type(self.text(self.random.randint(1, 2)))

    def delete(self) -> None:
        if self.world.snapshot.text[self.world.cursor - 1] in "abcdef+":
            self.world.edit(1, "")

    def ask(self) -> None:
        request = self.world.request(explicit=self.random.random() < 0.1)
        asked = Asked(request, asyncio.get_running_loop().create_future())  # type: ignore[arg-type]

        def grow(suggestion: Suggestion) -> None:
            text = suggestion.text
            assert request.snapshot is self.world.snapshot, "text grows in another document"
            assert not asked.partial or text.startswith(asked.partial[-1]), "text was taken back"
            asked.partial.append(text)
            self.check_text(request, text)

        on_partial = grow if self.random.random() < 0.5 else None
        asked.task = asyncio.create_task(self.world.completer.complete(request, on_partial))
        self.asked.append(asked)

    def cancel(self) -> None:
        if self.waiting:
            self.random.choice(self.waiting).task.cancel()

    def write(self) -> None:
        for stream in self.world.backend.open_streams:
            if stream not in self.plans:
                self.plans[stream] = self.text(self.random.randint(0, 25))
                self.written[stream] = ""
            size = self.random.randint(1, 8)
            part, self.plans[stream] = self.plans[stream][:size], self.plans[stream][size:]
            self.written[stream] += part
            if part:
                stream.push(part)

    def end(self) -> None:
        for stream in self.world.backend.open_streams:
            stream.push(StreamEnd(self.random.choice(["eos", "limit", "superseded", "eos"])))

    def fail(self) -> None:
        for stream in self.world.backend.open_streams:
            stream.push(EngineGone("gone"))

    def expire_grace(self) -> None:
        self.expire(GRACE_S)

    def expire_block_wait(self) -> None:
        self.expire(BLOCK_WAIT_S)

    def expire(self, delay_s: float) -> None:
        for event in self.world.waits.pop(delay_s, []):
            event.set()

    def move(self) -> None:
        text = self.world.snapshot.text
        ends = [idx for idx, char in enumerate(text) if char == "\n"]
        self.world.cursor = self.random.choice(ends)

    def reopen(self) -> None:
        self.world.completer.closed(URI)

    def renew(self) -> None:
        self.world.completer.renew()

    def check(self) -> None:
        world = self.world
        assert len(world.backend.open_streams) <= 1, "two streams of one document"
        world.completer.check_integrity()
        for asked in self.asked:
            if asked.task.done() and not asked.replied:
                asked.replied = True
                self.check_reply(asked)

    def check_reply(self, asked: Asked) -> None:
        if asked.task.cancelled():
            return
        error = asked.task.exception()
        if error is not None:
            assert isinstance(error, BackendError)
            return
        for suggestion in asked.task.result():
            assert asked.request.snapshot is self.world.snapshot, "a stale suggestion"
            assert suggestion.text.strip()
            assert not asked.partial or suggestion.text.startswith(asked.partial[-1])
            self.check_text(asked.request, suggestion.text)

    def check_text(self, request: CompletionRequest, text: str) -> None:
        lines = request.snapshot.lines
        before = "".join(lines[: request.line_idx]) + lines[request.line_idx][: request.column]
        shown = _plain(before + text)
        assert any(
            _plain(stream.request.prefix + part).startswith(shown)
            for stream, written in self.written.items()
            for part in (written, written.lstrip(" "))  # blanks behind a blank are left out
        ), "nobody wrote that here"

    async def finish(self) -> None:
        """Let everything come to its end; every request has one, and no stream is left."""
        for _ in range(100):
            if not self.waiting:
                break
            self.write()
            self.end()
            await settle()
            self.check()
        assert not self.waiting, "a request without a reply"
        self.expire(GRACE_S)
        self.expire(BLOCK_WAIT_S)
        self.end()  # of a stream that a reply was made of early
        await settle()
        assert not self.world.backend.open_streams, "a stream outlived its grace period"
        metrics = self.world.metrics
        assert sum(metrics.outcomes.values()) == len(self.asked)
        num_begun = metrics.streams.pop("begun", 0)
        ways = {name: n for name, n in metrics.streams.items() if name not in NO_ENDS}
        assert sum(ways.values()) == num_begun
        await self.world.completer.aclose()
        assert len(asyncio.all_tasks()) == 1


def _plain(text: str) -> str:
    """Return the text without blanks at the ends of lines, which the trim takes."""
    return re.sub(" +\n", "\n", text)


NO_ENDS = {"joined", "prefetched", "recalled"}


@pytest.mark.parametrize("code", [LINE, BLOCK], ids=["line", "block"])
async def test_random_typing(code: str) -> None:
    seen = Counter[str]()
    for seed in range(NUM_SEEDS):
        typist = Typist(seed, code)
        for _ in range(NUM_STEPS):
            await typist.step()
        await typist.finish()
        seen += typist.world.metrics.outcomes + typist.world.metrics.streams
    # It went everywhere.
    assert set(seen) >= {"shown", "cached", "stale", "cancelled", "joined", "finished"}
    assert set(seen) >= {"aborted_disagreed", "aborted_unwanted", "aborted_closed"}
    assert set(seen) >= {"prefetched", "recalled"}
