"""What the engine tells reaches the event loop in order, with as few wake-ups as can be."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable

import pytest

from midfill_engine.runtime.request import Event, GenerationRequest, TokenEvent
from midfill_engine.serve.generation import Generation
from midfill_engine.serve.mailbox import Mailbox
from midfill_engine.serve.served import Served
from tests.engine.serve.conftest import LiveServer, fed_stream
from tests.engine.serve.fakes import FakeEngine, finished, token

STREAM = {"input_prefix": "a", "input_suffix": "", "stream": True}


async def test_nothing_is_lost_between_two_threads() -> None:
    mailbox = Mailbox(asyncio.get_running_loop())
    received: list[str] = []
    ended = asyncio.Event()

    def receive(event: Event) -> None:
        if isinstance(event, TokenEvent):
            received.append(event.delta)
        else:
            ended.set()

    def tell() -> None:
        for num in range(3_000):
            mailbox.post(receive, token(str(num)))
            if num % 3 == 0:
                mailbox.wake()
            if num % 500 == 0:
                time.sleep(0.001)
        mailbox.post(receive, finished("length"))
        mailbox.wake()

    thread = threading.Thread(target=tell)
    thread.start()
    await asyncio.wait_for(ended.wait(), 30)
    thread.join()
    assert received == [*map(str, range(3_000))]


async def test_a_closed_loop_is_no_error() -> None:
    loop = asyncio.new_event_loop()
    mailbox = Mailbox(loop)
    loop.close()
    mailbox.post(lambda _event: None, token("a"))
    mailbox.wake()


@pytest.mark.parametrize(("is_whole", "most"), [(True, 1), (False, 4)])
async def test_a_whole_reply_wakes_the_loop_at_its_end(
    engine: FakeEngine,
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_whole: bool,
    most: int,
) -> None:
    wakes: list[Callable[..., object]] = []
    loop = asyncio.get_running_loop()
    call_soon = loop.call_soon_threadsafe

    def noted(callback: Callable[..., object]) -> object:
        wakes.append(callback)
        return call_soon(callback)

    monkeypatch.setattr(loop, "call_soon_threadsafe", noted)
    engine.script = None
    request = GenerationRequest((1, 2), 3)
    generation = Generation(served, request, dialect="x", started_at=0.0, is_whole=is_whole)
    result = asyncio.ensure_future(generation.result())
    for event in (token("a"), token("b"), token("c"), finished("length", generated=3)):
        engine.handles[0].sink(event)
        await asyncio.sleep(0.01)
    await result
    generation.close()
    assert generation.text == "abc"
    assert len(wakes) == most


def test_what_one_step_made_leaves_in_one_piece(
    engine: FakeEngine, served: Served, start_server: Callable[..., LiveServer]
) -> None:
    with fed_stream(start_server(served), engine, STREAM) as (reply, handle):
        pieces = reply.iter_raw()
        handle.tell(token("a"))
        handle.tell(token("b", delta=""))  # held back: a stop text might begin
        handle.tell(token("c", delta="bc"))
        handle.on_told()
        told = [json.loads(line[6:]) for line in next(pieces).decode().split("\n") if line]
        assert [event["content"] for event in told] == ["a", "bc"]
        handle.tell(token("d", delta=""))
        handle.on_told()
        handle.tell(token("e"))
        handle.tell(token("f", delta=""))  # shows nothing, and keeps nothing waiting
        handle.on_told()
        assert b'"content":"e"' in next(pieces)
        handle.ended = True
        handle.tell(token("g"))
        handle.sink(finished("error", error="it broke"))
        rest = b"".join(pieces).decode()
    assert rest.index('"content":"g"') < rest.index("it broke")
    assert handle.num_aborts == 0
