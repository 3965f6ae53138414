"""The base URL of a remote server: the setting, or the usual place of its kind. Pure."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from midfill_lsp.config import BackendConfig
from midfill_lsp.errors import Unreachable

# The PRO API of the announcement was https://api-inference.huggingface.co/models/{model}.
USUAL: Final = {
    "tgi": "https://router.huggingface.co",
    "openai": "https://api.openai.com/v1",
    "llamacpp": "http://127.0.0.1:8080",
    "ollama": "http://127.0.0.1:11434",
}


def base_url(config: BackendConfig) -> str:
    """Return the base URL without a slash at its end.

    Raises:
        Unreachable: the setting is no URL, holds a password, or needs a model that is not set.
    """
    url = config.url or USUAL[config.kind]
    if "{model}" in url:
        if config.model is None:
            raise Unreachable(
                "midfill.backend.url names {model}, and midfill.backend.model is not set"
            )
        url = url.replace("{model}", config.model)
    url = url.rstrip("/")
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise Unreachable(f"midfill.backend.url is not a URL: {error}") from error
    if not is_url:
        raise Unreachable("midfill.backend.url is not a URL such as https://host/v1")
    if parts.username or parts.password:
        raise Unreachable(
            "midfill.backend.url holds a password; use midfill.backend.tokenFile instead"
        )
    if config.kind == "openai" and not parts.path:
        url += "/v1"  # every server of this dialect has it there
    if config.kind != "openai" and url.endswith("/v1"):
        url = url.removesuffix("/v1")
    return url
