"""The plugin answers `midfill/token`, and its server takes the token to the host of `setup()`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue

import pytest

from tests.editors.neovim import TIMEOUT_S, Neovim, command, start

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


class Provider(ThreadingHTTPServer):
    """A server that serves nothing, and notes which tokens it was given."""

    def __init__(self) -> None:
        self.tokens: Queue[str | None] = Queue()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._refuse()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._refuse()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _refuse(self) -> None:
        assert isinstance(self.server, Provider)
        self.server.tokens.put(self.headers["authorization"])
        self.send_response(404)
        self.send_header("content-length", "0")
        self.end_headers()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def setup(provider: Provider, token: str) -> str:
    """Return Lua that sets the plugin up with another server."""
    cmd = ", ".join(f"'{part}'" for part in command("midfill_lsp.cli", "lsp", "--no-early-start"))
    url = f"http://127.0.0.1:{provider.server_port}"
    return (
        f"require('midfill').setup({{ cmd = {{ {cmd} }}, token = {token}, settings = {{ "
        f"backend = {{ kind = 'openai', url = '{url}', model = 'some' }} }} }})"
    )


def test_a_function_gives_the_token(provider: Provider, tmp_path: Path) -> None:
    lua = setup(provider, "function(url) return url:match('^http') and 'secret-1' end")
    with start("nvim-new", tmp_path, None, before=lua) as neovim:
        neovim.edit(["x = "])
        assert provider.tokens.get(timeout=TIMEOUT_S) == "Bearer secret-1"


def test_the_user_is_asked_outside_of_insert_mode(provider: Provider, tmp_path: Path) -> None:
    with start("nvim-old", tmp_path, None, before=setup(provider, "'ask'")) as neovim:
        neovim.run("edit a.py")
        neovim.type("i")
        wanted = "leave insert mode to enter the token"
        neovim.until(lambda: neovim.run("messages"), lambda messages: wanted in messages)
        neovim.type("<Esc>")
        _enter(neovim, "secret-2")
        assert provider.tokens.get(timeout=TIMEOUT_S) == "Bearer secret-2"
        assert "secret-2" not in neovim.run("messages")
        provider.tokens.queue.clear()
        neovim.type(":Midfill token<CR>")
        _enter(neovim, "secret-3")
        while provider.tokens.get(timeout=TIMEOUT_S) != "Bearer secret-3":
            pass


def _enter(neovim: Neovim, token: str) -> None:
    neovim.until(neovim.mode, lambda mode: mode == "c")
    neovim.type(f"{token}<CR>")
