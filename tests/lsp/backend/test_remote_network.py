"""Redirects, certificates, proxies: where a request goes, and where the token does not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from midfill_lsp.backend.choose import Misconfigured, make_remote
from midfill_lsp.config import BackendConfig
from midfill_lsp.errors import AccessDenied, BadReply, Unreachable
from tests.lsp.backend.fake_remote import Answer, FakeRemote, sse, token_event
from tests.lsp.backend.remotes import remote
from tests.lsp.backend.stream import REQUEST, collect

MODEL = "codellama/CodeLlama-7b-hf"
WRITTEN = sse(token_event("a", "eos_token"))
TOKEN: dict[str, Any] = {"token_source": "variable", "token_variable": "TEST_TOKEN"}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", "hf_token_of_the_test")
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
    for name in (*names, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def moved(location: str, status: int = 307) -> Answer:
    return Answer(status=status, headers={"location": location})


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_on_the_same_origin_is_followed(status: int) -> None:
    async with FakeRemote() as fake:
        fake.on("/", moved("/new", status))
        fake.on("/new", WRITTEN)
        async with aclosing(remote("tgi", fake.url, MODEL, **TOKEN)) as backend:
            texts, _ = await collect(backend.infill(REQUEST))
        assert texts == ["a"]
        sent = fake.bodies("/new")[-1]
        assert sent["inputs"].startswith("<PRE> ")
        assert {seen.headers["authorization"] for seen in fake.seen} == {
            "Bearer hf_token_of_the_test"
        }


async def test_a_redirect_to_another_host_gets_neither_token_nor_code() -> None:
    async with FakeRemote() as fake, FakeRemote() as other:
        fake.on("/", moved(f"{other.url}/"))
        other.on("/", WRITTEN)
        async with aclosing(remote("tgi", fake.url, MODEL, **TOKEN)) as backend:
            with pytest.raises(BadReply, match=f"redirects to {other.url}, which is not followed"):
                await collect(backend.infill(REQUEST))
        assert other.seen == []


async def test_redirects_in_circles() -> None:
    async with FakeRemote() as fake:
        fake.on("/", moved("/"))
        async with aclosing(remote("tgi", fake.url, MODEL)) as backend:
            with pytest.raises(BadReply, match="in circles"):
                await collect(backend.infill(REQUEST))
        assert len(fake.bodies("/")) == 4


async def test_no_token_over_plain_http_to_another_machine() -> None:
    async with aclosing(remote("tgi", "http://192.0.2.1", MODEL, **TOKEN)) as backend:
        with pytest.raises(AccessDenied, match=r"not sent to 192.0.2.1 over plain http") as caught:
            await collect(backend.infill(REQUEST))
    assert "hf_token" not in str(caught.value)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def tls_server(authority: trustme.CA, *names: str) -> AsyncGenerator[FakeRemote]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = authority.issue_cert(*names)
    certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]  # pyOpenSSL
    async with FakeRemote(context) as fake:
        fake.on("/", WRITTEN)
        yield fake


async def test_a_companys_certificate_is_trusted_when_told(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca_file = tmp_path / "company.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    async with tls_server(authority, "127.0.0.1") as fake:
        async with aclosing(remote("tgi", fake.url, MODEL)) as backend:
            with pytest.raises(Unreachable, match=r"certificate of .* is not trusted.*caFile"):
                await collect(backend.infill(REQUEST))
        async with aclosing(remote("tgi", fake.url, MODEL, ca_file=ca_file)) as backend:
            assert (await collect(backend.infill(REQUEST)))[0] == ["a"]
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            with monkeypatch.context() as patched:
                patched.setenv(name, str(ca_file))
                async with aclosing(remote("tgi", fake.url, MODEL, **TOKEN)) as backend:
                    assert (await collect(backend.infill(REQUEST)))[0] == ["a"]


async def test_a_certificate_for_another_name(authority: trustme.CA, tmp_path: Path) -> None:
    ca_file = tmp_path / "company.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    async with tls_server(authority, "elsewhere.example") as fake:
        async with aclosing(remote("tgi", fake.url, MODEL, ca_file=ca_file)) as backend:
            with pytest.raises(Unreachable, match="is not trusted"):
                await collect(backend.infill(REQUEST))
        assert fake.seen == []


@pytest.mark.parametrize("text", [None, "no certificate"])
async def test_a_file_of_certificates_that_is_none(tmp_path: Path, text: str | None) -> None:
    ca_file = tmp_path / "ca.pem"
    if text is not None:
        ca_file.write_text(text)
    async with aclosing(remote("tgi", "https://127.0.0.1:1", MODEL, ca_file=ca_file)) as backend:
        with pytest.raises(Unreachable, match=r"caFile '.*ca.pem' cannot be read"):
            await collect(backend.infill(REQUEST))


class Proxy:
    """An HTTP proxy that connects every name to one port, or refuses."""

    def __init__(self, target_port: int, status: str = "200 OK") -> None:
        self._target_port = target_port
        self._status = status
        self.asked: list[str] = []

    async def __aenter__(self) -> Proxy:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Stop."""
        self._server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split(b"\r\n")[0].decode())
        if not self._status.startswith("200"):
            writer.write(f"HTTP/1.1 {self._status}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            writer.close()
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        if self.asked[-1].startswith("CONNECT"):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            there_writer.write(head)
        await asyncio.gather(_pipe(reader, there_writer), _pipe(there_reader, writer))


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def test_the_environments_proxy(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca_file = tmp_path / "company.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    async with tls_server(authority, "api.example") as fake:
        port = int(fake.url.rpartition(":")[2])
        async with Proxy(port) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            url = "https://api.example"
            settings: dict[str, Any] = {"ca_file": ca_file, **TOKEN}
            async with aclosing(remote("tgi", url, MODEL, **settings)) as backend:
                assert (await collect(backend.infill(REQUEST)))[0] == ["a"]
        assert proxy.asked == ["CONNECT api.example:443 HTTP/1.1"]


async def test_no_proxy_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with FakeRemote() as fake:
        fake.on("/", WRITTEN)
        async with aclosing(remote("tgi", fake.url, MODEL)) as backend:
            assert (await collect(backend.infill(REQUEST)))[0] == ["a"]


async def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Proxy(1, "407 Proxy Authentication Required") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//user:hidden@"))
        async with aclosing(remote("tgi", "https://api.example", MODEL)) as backend:
            with pytest.raises(
                Unreachable, match=r"the proxy .* refused: 407.*HTTPS_PROXY"
            ) as told:
                await collect(backend.infill(REQUEST))
    assert "hidden" not in str(told.value)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"url": "api.example"}, "is not a URL such as"),
        ({"url": "ftp://x"}, "is not a URL such as"),
        ({"url": "http://[::1"}, "is not a URL"),
        ({"url": "https://me:hidden@x"}, "holds a password; use midfill.backend.tokenFile"),
        ({"url": "https://x/models/{model}"}, "midfill.backend.model is not set"),
    ],
)
async def test_settings_that_lead_nowhere(settings: dict[str, str], told: str) -> None:
    backend = make_remote(BackendConfig(kind="tgi", **settings))  # type: ignore[arg-type]
    assert isinstance(backend, Misconfigured)
    with pytest.raises(Unreachable, match=told) as caught:
        await collect(backend.infill(REQUEST))
    assert "hidden" not in str(caught.value)
    with pytest.raises(Unreachable):
        await backend.start()


@pytest.mark.parametrize(
    ("kind", "url", "base"),
    [
        ("tgi", None, "https://router.huggingface.co"),
        ("tgi", "https://router.huggingface.co/v1", "https://router.huggingface.co"),
        (
            "tgi",
            "https://api-inference.huggingface.co/models/{model}",
            "https://api-inference.huggingface.co/models/owner/name",
        ),
        ("openai", None, "https://api.openai.com/v1"),
        ("openai", "http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("openai", "http://h/api/v3/", "http://h/api/v3"),
        ("llamacpp", None, "http://127.0.0.1:8080"),
        ("ollama", "http://127.0.0.1:11434/", "http://127.0.0.1:11434"),
    ],
)
def test_base_urls(kind: Any, url: str | None, base: str) -> None:  # noqa: ANN401
    backend = make_remote(BackendConfig(kind=kind, url=url, model="owner/name"))
    assert backend.describe()["url"] == base
