"""What a client sees below HTTP: small writes leave at once, idle connections, odd requests."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from midfill_engine.config import EngineConfig, ServerConfig
from midfill_engine.errors import EngineDied, ModelError, StartError
from midfill_engine.serve.http import MAX_HEAD_BYTES
from midfill_engine.serve.keys import ApiKey
from midfill_engine.serve.registry import Models
from midfill_engine.serve.served import Served
from midfill_engine.serve.server import EngineServer, bind, run_server
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import AUTH, KEY, LiveServer, serve_with
from tests.engine.serve.fakes import FakeEngine


async def test_small_writes_are_not_delayed() -> None:
    """Without TCP_NODELAY every reply came 40 ms late: Nagle waited for a delayed ACK."""
    accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def note(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end: socket.socket = writer.get_extra_info("socket")
        accepted.set_result(end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with bind(ServerConfig(port=0)) as sock:
        async with await asyncio.start_server(note, sock=sock):
            _, writer = await asyncio.open_connection(*sock.getsockname())
            assert await accepted
            writer.close()
            await writer.wait_closed()


def test_idle_connections_outlive_the_clients_patience(
    tokenizer: Tokenizer, start_server: Callable[..., LiveServer]
) -> None:
    """Uvicorn's 5 s are httpx's too: a key after a pause hit a connection that was closing."""
    live = start_server(serve_with(FakeEngine(), tokenizer))
    client_s = httpx.Limits().keepalive_expiry
    assert client_s is not None
    assert live.server.config.timeout_keep_alive > 2 * client_s


def test_a_head_without_end_is_refused(
    tokenizer: Tokenizer, start_server: Callable[..., LiveServer]
) -> None:
    live = start_server(serve_with(FakeEngine(), tokenizer))
    with live.client() as client:  # bodies do not count, nor do the heads before
        for _ in range(2 * MAX_HEAD_BYTES // 2**15):
            body = {"input_prefix": "a" * 2**15, "input_suffix": ""}
            assert client.post("/infill", json=body).status_code == 200
    sent = 0
    host, port = live.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as peer:
        peer.sendall(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nx-endless: ")
        try:
            while sent < 100 * MAX_HEAD_BYTES:
                sent += peer.send(b"a" * 1_000)
        except OSError:  # it has hung up
            pass
        else:
            pytest.fail("it takes in a head without end")
    assert sent > MAX_HEAD_BYTES
    with live.client() as client:
        assert client.get("/health").status_code == 200


def test_head_of_a_lease_ends_and_holds_nothing(
    tokenizer: Tokenizer, start_server: Callable[..., LiveServer]
) -> None:
    """Its reply never ended, and it counted as a lease."""
    live = start_server(serve_with(FakeEngine(), tokenizer))
    with live.client() as client:
        reply = client.head("/lease")
        assert (reply.status_code, reply.content) == (200, b"")
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert not live.models.live.closers


def test_the_ready_file_of_another_engine_stays(
    tokenizer: Tokenizer, start_server: Callable[..., LiveServer], tmp_path: Path
) -> None:
    ready = tmp_path / "ready.json"
    first = start_server(serve_with(FakeEngine(), tokenizer), ready_file=ready)
    start_server(serve_with(FakeEngine(), tokenizer), ready_file=ready)
    newer = ready.read_text()
    first.stop()
    assert ready.read_text() == newer


def test_a_ready_file_that_cannot_be_removed_does_not_stop_the_end(
    tokenizer: Tokenizer, start_server: Callable[..., LiveServer], tmp_path: Path
) -> None:
    """The error came before the streams were ended, and out of the shutdown."""
    ready = tmp_path / "ready.json"
    live = start_server(serve_with(FakeEngine(), tokenizer), ready_file=ready)
    ready.unlink()
    ready.mkdir()
    with httpx.stream("GET", f"{live.url}/lease", headers=AUTH, timeout=30) as reply:
        lines = reply.iter_lines()
        assert next(lines).startswith("data: ")
        live.server.should_exit = True
        assert list(lines)[-1:] in ([], [""])
    live.join()


def test_the_end_does_not_wait_for_half_a_body(
    tokenizer: Tokenizer, start_server: Callable[..., LiveServer]
) -> None:
    """It took the whole grace time, and each such client a traceback in the log."""
    live = start_server(serve_with(FakeEngine(), tokenizer))
    head = f"POST /infill HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n"
    address = ("127.0.0.1", int(live.url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=30) as connection:
        # Whoever reads "100 Continue" knows that the route waits for the body.
        connection.sendall(f"{head}expect: 100-continue\r\ncontent-length: 99\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(b'{"input_prefix"')
        live.server.should_exit = True
        reply = connection.makefile("rb").read()
    assert reply.startswith(b"HTTP/1.1 503")
    assert b"shutting down" in reply
    live.join()


@pytest.mark.parametrize("name", ["none/ready.json", "."])
def test_a_ready_file_that_cannot_be_written_ends_without_a_traceback(
    tokenizer: Tokenizer, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Raised inside of the event loop, it left forty lines on stderr."""
    config = ServerConfig(port=0, ready_file=tmp_path / name)
    served = serve_with(FakeEngine(), tokenizer)
    with bind(config) as sock:
        server = EngineServer(Models([served]), config, None, "http://127.0.0.1", lambda _: None)
        with pytest.raises(StartError, match="cannot write the ready file"):
            server.run(sockets=[sock])
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_an_engine_that_died_before_it_served_says_no_ready(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    """Its language server met a closed port, and started another without a word of why."""
    config = ServerConfig(port=0, ready_file=tmp_path / "ready.json")
    engine, told = FakeEngine(), list[str]()
    engine.alive = False
    with bind(config) as sock:
        models = Models([serve_with(engine, tokenizer)])
        server = EngineServer(models, config, None, "http://127.0.0.1", told.append)
        with pytest.raises(EngineDied, match="it broke: restart midfill-engine"):
            server.run(sockets=[sock])
    assert (told, list(tmp_path.iterdir())) == ([], [])


def test_a_reply_that_begins_during_the_end_ends(tokenizer: Tokenizer) -> None:
    """A prompt tokenised meanwhile was submitted afterwards, and nobody ended it."""
    live = serve_with(FakeEngine(), tokenizer).live
    ended: list[str] = []
    live.add(lambda: ended.append("before"))
    live.end_all()
    live.add(lambda: ended.append("after"))
    assert ended == ["before", "after"]


def test_sigterm_while_the_model_loads_leaves_no_key_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    config = EngineConfig(server=ServerConfig(port=0))

    def load(_config: EngineConfig) -> Served:
        assert len(list((tmp_path / "midfill").iterdir())) == 1
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("the signal was lost")

    with pytest.raises(SystemExit, match="143"):
        run_server(config, ApiKey("made", made=True), load, lambda _: None)
    assert list((tmp_path / "midfill").iterdir()) == []


@pytest.mark.parametrize("host", ["..", "a" * 64 + ".example"])
def test_a_host_that_cannot_be_a_name_is_a_start_error(host: str) -> None:
    with pytest.raises(StartError, match=r"cannot listen on .* check --host"):
        bind(ServerConfig(host=host, port=0))


@pytest.mark.parametrize(("host", "warns"), [("0.0.0.0", True), ("127.0.0.1", False)])
def test_plain_http_to_other_machines_is_warned_of(host: str, warns: bool) -> None:
    def load(_config: EngineConfig) -> Served:
        raise ModelError("none")

    told: list[str] = []
    config = EngineConfig(server=ServerConfig(host=host, port=0))
    with pytest.raises(ModelError, match="none"):
        run_server(config, ApiKey("key"), load, told.append)
    assert [("unencrypted" in line, "TLS" in line) for line in told] == [(True, True)] * warns
