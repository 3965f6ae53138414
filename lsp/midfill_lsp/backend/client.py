"""The HTTP client for remote servers: certificates, proxies, time-outs. Called by `wire`."""

from __future__ import annotations

import os
import ssl
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import truststore

from midfill_lsp.backend.rejection import base_of
from midfill_lsp.config import BackendConfig
from midfill_lsp.errors import BackendError, TimedOut, Unreachable
from midfill_lsp.hosts import is_loopback
from midfill_lsp.printable import one_line

# What other programs read; OpenSSL itself reads SSL_CERT_FILE and SSL_CERT_DIR.
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CA_REMEDY = "set midfill.backend.caFile (or SSL_CERT_FILE) to your company's certificates"


def make_remote_client(url: str, config: BackendConfig) -> httpx.AsyncClient:
    """Return a client that keeps connections and follows no redirect by itself.

    Proxies are the environment's (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`), on this machine none.

    Raises:
        Unreachable: a file of certificates cannot be read.
    """
    # Reading has its own bounds in `wire`: to the first byte, and from piece to piece.
    timeout = httpx.Timeout(None, connect=config.connect_timeout_s, write=config.idle_timeout_s)
    return httpx.AsyncClient(
        timeout=timeout,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=4),
        trust_env=not is_loopback(url),
        verify=_context(config.ca_file) if urlsplit(url).scheme == "https" else False,
        headers={"User-Agent": f"midfill/{version('midfill')}", "Accept-Encoding": "identity"},
    )


def connection_error(error: Exception, url: str, config: BackendConfig) -> BackendError:
    """Return what httpx's failure to connect or to send means, in words."""
    server = base_of(url)
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(
            f"{server} did not take the connection within {config.connect_timeout_s:g} s; check "
            "the network, or raise midfill.backend.connectTimeoutS"
        )
    reason = _tls_reason(error)
    if reason is not None:
        return Unreachable(f"the certificate of {server} is not trusted: {reason}; {_CA_REMEDY}")
    if isinstance(error, httpx.ProxyError):
        return Unreachable(
            f"the proxy on the way to {server} refused: {one_line(str(error))}; "
            "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
        )
    why = one_line(str(error)) or type(error).__name__
    return Unreachable(
        f"{server} does not answer: {why}; check the network and midfill.backend.url"
    )


def _context(ca_file: Path | None) -> ssl.SSLContext:
    """Return the system's trust, and the certificates of the setting and the environment."""
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    named = [("midfill.backend.caFile", ca_file)] if ca_file is not None else []
    named += [(name, Path(os.environ[name])) for name in _CA_VARIABLES if os.environ.get(name)]
    for name, path in named:
        try:
            context.load_verify_locations(
                **({"capath": str(path)} if path.is_dir() else {"cafile": str(path)})
            )
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or "no certificates in it"
            raise Unreachable(f"{name} {str(path)!r} cannot be read: {reason}") from error
    return context


def _tls_reason(error: BaseException | None) -> str | None:
    """Return why a certificate was refused, if that is what is behind an error."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return one_line(error.verify_message)
        if isinstance(error, ssl.SSLError):
            return one_line(error.reason or str(error))
        error = error.__cause__ or error.__context__
    return None
