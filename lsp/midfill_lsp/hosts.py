"""Which hosts a token or key may be sent to. Pure. Called by `backend`, `engine_process`, `cli`.

An editor's settings may come from the repository that it has open, and the language server cannot
tell. So they may say where a secret is and where it goes, but not both: it goes to this machine,
to those that nobody but their owner reads, and to hosts that the user's own command line or
environment names. Whoever writes these runs programs of his choice anyway.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

VARIABLE: Final = "MIDFILL_TOKEN_HOSTS"
"""Environment variable that names more hosts, `*.` in front for all below one."""

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
# Not `huggingface.cloud` or `hf.space`: behind these stands anybody's program.
HUB: Final = frozenset({"huggingface.co", "*.huggingface.co"})
ENDPOINTS: Final = frozenset({"*.endpoints.huggingface.cloud"})
"""Inference Endpoints: they want the Hub's token, and anybody may run one."""
PROVIDERS: Final = HUB | {
    "api.openai.com",
    "api.mistral.ai",
    "codestral.mistral.ai",
    "api.deepseek.com",
}


def named_hosts(environment: Mapping[str, str], *urls: str | None) -> frozenset[str]:
    """Return the hosts that the user names: in `MIDFILL_TOKEN_HOSTS`, and in URLs of his own."""
    listed = environment.get(VARIABLE, "").replace(",", " ").lower().split()
    return frozenset([*listed, *(host for url in urls if url and (host := host_of(url)))])


def is_among(url: str, hosts: Collection[str]) -> bool:
    """Whether a URL's host is one of these, or below one that is written with `*.`."""
    host = host_of(url)
    return any(
        host.endswith(known[1:]) if known.startswith("*.") else host == known for known in hosts
    )


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine."""
    return host_of(url) in LOOPBACK


def host_of(url: str) -> str:
    """Return a URL's host in lower case, "" if it has none or is no URL."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
