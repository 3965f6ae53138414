"""Where the token for a remote server comes from, and where it may go. Called by `wire`, `cli`.

A token is never logged, never on a command line, and goes to the configured server only: over
https, or to this machine. Settings alone do not take it to any host (see `hosts`): the Hub's
token goes to Hugging Face, others to well-known providers, each to hosts that the user names.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from midfill_lsp import hosts
from midfill_lsp.config import BackendConfig
from midfill_lsp.errors import AccessDenied

_NO_IMPLICIT = "HF_HUB_DISABLE_IMPLICIT_TOKEN"


@dataclass(frozen=True, slots=True)
class Token:
    """A token, where it came from (for messages), and the hosts that it may go to unasked.

    `hosts` is None for a token that its owner keeps for the very server that it is asked for.
    """

    value: str = field(repr=False)
    origin: str
    hosts: Collection[str] | None = hosts.PROVIDERS


class EditorTokens:
    """Tokens out of the editor's secret storage: asked for once per server, until they change."""

    def __init__(self) -> None:
        """No editor yet."""
        self._asked: dict[str, asyncio.Future[str | None]] = {}
        self.ask: Callable[[str], Coroutine[object, object, str | None]] | None = None
        """Asks the editor for the token of a base URL, never failing; None without an editor."""

    async def get(self, url: str) -> str | None:
        """Return the editor's token for the server at `url`, None if it has none."""
        if self.ask is None:
            return None
        if url not in self._asked:
            self._asked[url] = asyncio.ensure_future(self.ask(url))
        return await asyncio.shield(self._asked[url])

    def forget(self) -> None:
        """Ask anew the next time."""
        self._asked.clear()


class TokenSource:
    """Finds the token that the settings name."""

    def __init__(
        self,
        config: BackendConfig,
        editor: EditorTokens | None = None,
        environment: Mapping[str, str] | None = None,
        named: Collection[str] = (),
    ) -> None:
        """Look at nothing yet.

        Args:
            config: names the source.
            editor: its secret storage, where an editor is there.
            environment: the process's own if None.
            named: hosts that the user names outside of the settings, as `hosts.named_hosts` does.
        """
        self._config = config
        self._editor = editor or EditorTokens()
        self._environment = os.environ if environment is None else environment
        self._named = named

    async def get(self, url: str) -> Token | None:
        """Return the token for the server at `url`, None if none is needed or found.

        Raises:
            AccessDenied: the source that the settings name has none, or it may not be sent there.
        """
        token = await self._find(url)
        if token is None:
            return None
        if not token.value.isascii() or not token.value.isprintable() or " " in token.value:
            raise AccessDenied(
                f"the token of {token.origin} holds blanks or characters that no token has"
            )
        if hosts.is_loopback(url):
            return token
        host = hosts.host_of(url)
        if urlsplit(url).scheme != "https":
            raise AccessDenied(
                f"the token of {token.origin} is not sent to {host} over plain http, "
                "where others can read it; use https, or midfill.backend.tokenSource none"
            )
        if token.hosts is not None and not hosts.is_among(url, {*token.hosts, *self._named}):
            raise AccessDenied(
                f"the token of {token.origin} is not sent to {host}, which only the settings "
                f"name; name it in the variable {hosts.VARIABLE} or by --backend-url, keep the "
                "token in the editor's secret storage, or set midfill.backend.tokenSource none"
            )
        return token

    async def _find(self, url: str) -> Token | None:
        source = self._config.token_source
        if source == "none":
            return None
        if source == "auto":
            return (
                await self._from_editor(url)
                or self._from_file()
                or self._from_variable()
                or (self._from_hub() if self._is_hub_implied(url) else None)
            )
        found = {
            "file": self._from_file,
            "variable": self._from_variable,
            "hub": self._from_hub,
        }.get(source)
        token = found() if found else await self._from_editor(url)
        if token is None:
            raise AccessDenied(
                f"midfill.backend.tokenSource is {source}, and there is no token there"
            )
        return token

    async def _from_editor(self, url: str) -> Token | None:
        value = await self._editor.get(url)
        return Token(value, "the editor", None) if value else None

    def _from_file(self) -> Token | None:
        path = self._config.token_file
        return _read(path, "midfill.backend.tokenFile") if path is not None else None

    def _from_variable(self) -> Token | None:
        name = self._config.token_variable
        value = self._environment.get(name, "").strip() if name else ""
        return Token(value, f"the variable {name}") if value else None

    def _from_hub(self) -> Token | None:
        return find_hub_token(self._environment)

    def _is_hub_implied(self, url: str) -> bool:
        forbidden = self._environment.get(_NO_IMPLICIT, "").upper() in {"1", "ON", "YES", "TRUE"}
        return hosts.is_among(url, hosts.HUB | hosts.ENDPOINTS) and not forbidden


def find_hub_token(environment: Mapping[str, str]) -> Token | None:
    """Return the Hugging Face token as huggingface_hub finds it, None if there is none.

    Raises:
        AccessDenied: its file cannot be read.
    """
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if value := environment.get(name, "").strip():
            return Token(value, name, hosts.HUB)
    path = hub_token_path(environment)
    token = _read(path, "the Hub's token file") if path.is_file() else None
    return token and replace(token, hosts=hosts.HUB)


def hub_token_path(environment: Mapping[str, str]) -> Path:
    """Return where `hf auth login` leaves the token."""
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    home = environment.get("HF_HOME") or f"{cache}/huggingface"
    return Path(os.path.expanduser(environment.get("HF_TOKEN_PATH") or f"{home}/token"))


def _read(path: Path, origin: str) -> Token | None:
    try:
        value = Path(os.path.expanduser(path)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise AccessDenied(f"{origin} {str(path)!r} cannot be read: {reason}") from error
    return Token(value, f"{origin} {str(path)!r}") if value else None
