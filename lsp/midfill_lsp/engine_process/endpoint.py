"""Where an engine answers, and the engine that somebody else runs. Called by `cli`."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from midfill_lsp import hosts
from midfill_lsp.errors import AccessDenied, EngineStartError

KEY_VARIABLE = "MIDFILL_API_KEY"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Base URL without a trailing slash, and the bearer key if one is needed."""

    url: str
    key: str | None = field(default=None, repr=False)


class FixedEngine:
    """An engine at a configured URL: never started, watched or stopped from here."""

    def __init__(self, url: str, key_file: Path | None = None, named: Collection[str] = ()) -> None:
        """Keep the setting; it is checked when it is used, so that an editor gets a message.

        Args:
            url: base URL.
            key_file: holds the key, else the environment does.
            named: hosts besides this machine that the key may go to (see `hosts`).
        """
        self._url = url.rstrip("/")
        self._key_file = key_file
        self._named = named

    async def endpoint(self) -> Endpoint:
        """Return the configured place.

        Raises:
            EngineStartError: the URL is none, or holds a password.
            AccessDenied: the key file cannot be read, or the key may not go there.
        """
        parts = urlsplit(self._url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise EngineStartError(
                f"midfill.engine.url {self._url!r} is not a URL such as http://127.0.0.1:8080"
            )
        if parts.username or parts.password:
            raise EngineStartError(
                "midfill.engine.url holds a password; use midfill.engine.apiKeyFile instead"
            )
        key = self._read_key()
        if key and not (hosts.is_loopback(self._url) or hosts.is_among(self._url, self._named)):
            raise AccessDenied(
                f"the engine's key is not sent to {parts.hostname}, which only the settings name: "
                f"name it in the variable {hosts.VARIABLE} or by --engine-url"
            )
        return Endpoint(self._url, key)

    def watch_progress(self, on_progress: Callable[[str, int], None]) -> None:
        """Do nothing: what it says while it starts is not heard here."""

    def report_gone(self, url: str) -> None:
        """Do nothing: somebody else runs this engine."""

    async def restart(self) -> None:
        """Do nothing: somebody else runs this engine."""

    async def aclose(self) -> None:
        """Do nothing: nothing is held."""

    def describe(self) -> dict[str, object]:
        """Return what status lines show."""
        return {
            "state": "fixed",
            "url": self._url,
            "pid": None,
            "model": None,
            "version": None,
            "note": None,
            "reason": None,
        }

    def _read_key(self) -> str | None:
        if self._key_file is None:
            return os.environ.get(KEY_VARIABLE) or None
        try:
            place = Path(os.path.expanduser(self._key_file))
            key = place.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise AccessDenied(
                f"midfill.engine.apiKeyFile {str(self._key_file)!r} cannot be read: {reason}"
            ) from error
        return key or None
