"""Every way a remote server can fail, over a real socket: one plain error, and what follows."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from midfill_lsp.backend.base import InfillRequest, StreamEnd
from midfill_lsp.errors import (
    AccessDenied,
    BackendError,
    BadReply,
    ConnectionLost,
    ModelLoading,
    NotServed,
    Overloaded,
    PromptTooLong,
    ServerFailed,
    TimedOut,
    Unreachable,
)
from tests.lsp.backend.fake_remote import Answer, FakeRemote, js, sse, token_event
from tests.lsp.backend.remotes import remote
from tests.lsp.backend.stream import REQUEST, collect

MODEL = "codellama/CodeLlama-7b-hf"
ONE = sse(token_event("x", "length"))
WRITTEN = sse(token_event("a", "eos_token"))
SECRET = "hf_verysecrettoken1234"


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (js({"error": "Invalid token"}, 401), AccessDenied, "refused the token of .*Invalid token"),
        (js({"error": "gated repo"}, 403), AccessDenied, "accept the model's licence"),
        (js({"error": "credits"}, 402), AccessDenied, "wants to be paid"),
        (js({"error": "Model not found"}, 404), NotServed, f"does not serve {MODEL}"),
        (js({"error": "gone"}, 410), NotServed, "router.huggingface.co"),
        (js({"error": "bad `stop`"}, 422), BadReply, "HTTP 422: bad `stop`"),
        (js({"error": {"message": "bad"}}, 400), BadReply, "HTTP 400: bad"),
        (js({"error": "busy"}, 429), Overloaded, "no room for more requests .*asked again later"),
        (js({"error": "busy"}, 429, retry_after="7"), Overloaded, "asked again in 7 s"),
        (js({"error": "down"}, 503, retry_after="7"), Overloaded, "is not available"),
        (js({"error": "bad gateway"}, 502), Overloaded, "is not available"),
        (js({"error": "slow"}, 504), TimedOut, "gave up"),
        (js({"error": "boom"}, 500), ServerFailed, "HTTP 500: boom"),
        (Answer((b"<html>",), 500, "text/html"), ServerFailed, "HTTP 500$"),
        (js({"error": "no infill"}, 501), BadReply, "HTTP 501: no infill"),
        (js({"error": ["first", "second"]}, 400), BadReply, "first; second"),
        (js("text"), BadReply, "no JSON object"),
        (Answer((b"<html>",), 200, "text/html"), BadReply, "no JSON object"),
        (js([{"text": "x"}]), BadReply, "without a generated_text"),
        (sse("{broken"), BadReply, "no JSON object"),
        (sse({"error": "overheated", "error_type": "generation"}), BadReply, "overheated"),
        (sse({"error": "Model is overloaded", "error_type": "overloaded"}), Overloaded, "no room"),
    ],
)
async def test_answers_that_are_failures(
    tmp_path: Path, answer: Answer, kind: type[BackendError], told: str
) -> None:
    (tmp_path / "token").write_text(SECRET)
    async with FakeRemote() as fake:
        fake.on("/", ONE, answer)
        settings: dict[str, Any] = {"token_source": "file", "token_file": tmp_path / "token"}
        async with aclosing(remote("tgi", fake.url, MODEL, **settings)) as backend:
            await backend.start()
            with pytest.raises(kind, match=told) as caught:
                await collect(backend.infill(REQUEST))
        assert fake.seen[-1].headers["authorization"] == f"Bearer {SECRET}"
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.is_told


async def test_refused_without_a_token_says_where_to_put_one() -> None:
    async with FakeRemote() as fake:
        fake.on("/", js({"error": "Authorization header missing"}, 401))
        async with aclosing(remote("tgi", fake.url, MODEL)) as backend:
            with pytest.raises(AccessDenied, match=r"wants a key .*tokenFile"):
                await collect(backend.infill(REQUEST))


async def test_what_a_server_quotes_of_the_request_is_withheld() -> None:
    code = "password = compute_secret(42)"
    async with FakeRemote() as fake:
        quote = f"could not parse 'x = 1\n{code}' at 3"
        fake.on("/", ONE, js({"error": quote}, 422), ONE, sse({"error": quote}))
        async with aclosing(remote("tgi", fake.url, MODEL)) as backend:
            for _ in range(2):
                with pytest.raises(BadReply, match="repeats the request") as caught:
                    await collect(backend.infill(InfillRequest(f"x = 1\n{code}", "\n", "s", 8)))
                assert "secret" not in str(caught.value)


async def test_a_refusal_makes_it_look_anew() -> None:
    async with FakeRemote() as fake:
        fake.on("/", ONE, js({"error": "gone"}, 410), ONE, WRITTEN)
        async with aclosing(remote("tgi", fake.url, MODEL)) as backend:
            with pytest.raises(NotServed):
                await collect(backend.infill(REQUEST))
            texts, _ = await collect(backend.infill(REQUEST))
        assert texts == ["a"]
        assert [body["inputs"] == "def" for body in fake.bodies("/")] == [True, False, True, False]


async def test_an_overloaded_server_is_not_looked_at_anew() -> None:
    async with FakeRemote() as fake:
        fake.on("/", ONE, js({"error": "busy"}, 429), WRITTEN)
        async with aclosing(remote("tgi", fake.url, MODEL)) as backend:
            with pytest.raises(Overloaded):
                await collect(backend.infill(REQUEST))
            await collect(backend.infill(REQUEST))
        assert len(fake.bodies("/")) == 3


@pytest.mark.parametrize(
    "why",
    [
        "`inputs` tokens + `max_new_tokens` must be <= 512. Given: 900",
        "`inputs` must have less than 512 tokens. Given: 900",
    ],
)
async def test_a_prompt_that_is_too_long_is_halved(why: str) -> None:
    why = f"Input validation error: {why}"
    async with FakeRemote() as fake:
        fake.on("/", ONE, js({"error": why}, 422), sse({"error": why}), WRITTEN)
        async with aclosing(remote("tgi", fake.url, MODEL)) as backend:
            request = InfillRequest("x = 1\n" * 400, "\ny\n", "s", 8)
            texts, _ = await collect(backend.infill(request))
            await collect(backend.infill(request))
        assert texts == ["a"]
        lens = [len(body["inputs"]) for body in fake.bodies("/")[1:]]
        assert lens[0] > 1.8 * lens[1] > 3.2 * lens[2]
        assert lens[3] == lens[2], "what fits is remembered"
        assert all("<SUF>\ny\n" in body["inputs"] for body in fake.bodies("/")[1:])


async def test_a_prompt_that_never_fits() -> None:
    async with FakeRemote() as fake:
        fake.on("/", ONE, js({"error": "too long"}, 413))
        async with aclosing(remote("tgi", fake.url, MODEL)) as backend:
            with pytest.raises(PromptTooLong, match="contextTokens"):
                await collect(backend.infill(REQUEST))
        assert len(fake.bodies("/")) == 4


@pytest.mark.parametrize("then", ["drop", "end"])
async def test_a_stream_that_breaks_off(then: Any) -> None:  # noqa: ANN401
    async with FakeRemote() as fake:
        fake.on("/", ONE, sse(token_event("a"), then=then))
        async with aclosing(remote("tgi", fake.url, MODEL)) as backend:
            stream = backend.infill(REQUEST)
            assert await anext(stream) == "a"
            with pytest.raises(ConnectionLost, match="broke off"):
                await anext(stream)


async def test_silence_before_and_in_an_answer() -> None:
    async with FakeRemote() as fake:
        fake.on("/", ONE, sse(token_event("a"), then="hang"), Answer(is_late=True))
        settings: dict[str, Any] = {"first_byte_timeout_s": 0.5, "idle_timeout_s": 0.5}
        async with aclosing(remote("tgi", fake.url, MODEL, **settings)) as backend:
            stream = backend.infill(REQUEST)
            assert await anext(stream) == "a"
            with pytest.raises(TimedOut, match=r"fell silent for 0.5 s.*idleTimeoutS"):
                await anext(stream)
            assert await asyncio.wait_for(fake.aborted.get(), 10) == "/"
        settings = {"first_byte_timeout_s": 0.1, "connect_timeout_s": 0.1}
        async with aclosing(remote("tgi", fake.url, MODEL, **settings)) as backend:
            with pytest.raises(TimedOut, match=r"begin to answer within 0.1 s.*firstByteTimeoutS"):
                await collect(backend.infill(REQUEST))


async def test_nobody_takes_the_connection() -> None:
    # A listener whose queue is full answers no connection: the kernel drops the packets.
    import socket

    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        held = [socket.socket() for _ in range(3)]
        for client in held:
            client.setblocking(False)
            client.connect_ex(address)
        url = f"http://127.0.0.1:{address[1]}"
        async with aclosing(remote("tgi", url, MODEL, connect_timeout_s=0.2)) as backend:
            with pytest.raises(TimedOut, match=r"take the connection within 0.2 s"):
                await collect(backend.infill(REQUEST))
        for client in held:
            client.close()


async def test_nobody_listens() -> None:
    async with FakeRemote() as fake:
        url = fake.url
    async with aclosing(remote("tgi", url, MODEL)) as backend:
        with pytest.raises(Unreachable, match=r"does not answer.*midfill.backend.url"):
            await collect(backend.infill(REQUEST))


async def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    async with FakeRemote() as fake:
        fake.on("/", ONE, WRITTEN)
        async with aclosing(remote("tgi", fake.url, MODEL)) as backend:
            await collect(backend.infill(REQUEST))
            fake.break_connections()
            texts, _ = await collect(backend.infill(REQUEST))
    assert texts == ["a"]


LOADING = js({"error": f"Model {MODEL} is currently loading", "estimated_time": 20.0}, 503)


class Sleeps:
    """Notes what is slept, and lets each sleep end when the test says so."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[float] = asyncio.Queue()
        self.gate = asyncio.Semaphore(0)

    async def __call__(self, delay_s: float) -> None:
        self.asked.put_nowait(delay_s)
        await self.gate.acquire()


async def test_a_model_that_loads_is_waited_for_through_cancelled_keystrokes() -> None:
    async with FakeRemote() as fake:
        fake.on("/", LOADING, LOADING, ONE, WRITTEN)
        sleeps = Sleeps()
        told: list[tuple[str, asyncio.Task[Any], float | None]] = []
        async with aclosing(remote("tgi", fake.url, MODEL, sleep=sleeps)) as backend:
            backend.watch_loading(lambda title, task, wait_s: told.append((title, task, wait_s)))
            first = asyncio.create_task(collect(backend.infill(REQUEST)))
            assert await sleeps.asked.get() == 20.0
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            second = asyncio.create_task(collect(backend.infill(REQUEST)))
            sleeps.gate.release()
            await sleeps.asked.get()
            assert not second.done()
            sleeps.gate.release()
            texts, _ = await second
            assert texts == ["a"]
            ((title, task, expected_s),) = told
            assert (title, expected_s) == (f"Loading {MODEL}", 20.0)
            assert task.done()
        assert len(fake.bodies("/")) == 4, "three looks, one completion"


async def test_a_model_that_is_unloaded_meanwhile() -> None:
    async with FakeRemote() as fake:
        fake.on("/", ONE, WRITTEN, LOADING, LOADING, ONE, WRITTEN)
        sleeps = Sleeps()
        sleeps.gate.release()
        async with aclosing(remote("tgi", fake.url, MODEL, sleep=sleeps)) as backend:
            await collect(backend.infill(REQUEST))
            texts, _ = await collect(backend.infill(REQUEST))
        assert texts == ["a"]
        assert sleeps.asked.qsize() == 1


async def test_of_those_who_wait_only_the_newest_of_a_document_asks() -> None:
    async with FakeRemote() as fake:
        fake.on("/", LOADING, ONE, WRITTEN)
        sleeps = Sleeps()
        async with aclosing(remote("tgi", fake.url, MODEL, sleep=sleeps)) as backend:
            older = asyncio.create_task(collect(backend.infill(REQUEST)))
            await sleeps.asked.get()
            newer = InfillRequest("def g(", "", REQUEST.session, 8)
            asked = asyncio.create_task(collect(backend.infill(newer)))
            await asyncio.sleep(0)
            sleeps.gate.release()
            assert (await asked)[0] == ["a"]
            assert await older == ([], StreamEnd("superseded"))


async def test_a_model_that_loads_too_long() -> None:
    async with FakeRemote() as fake:
        fake.on("/", LOADING)
        settings: dict[str, Any] = {"load_timeout_s": 30.0, "sleep": Sleeps()}
        settings["sleep"].gate.release()
        settings["sleep"].gate.release()
        async with aclosing(remote("tgi", fake.url, MODEL, **settings)) as backend:
            with pytest.raises(ModelLoading, match="is loading"):
                await collect(backend.infill(REQUEST))
