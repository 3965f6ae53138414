"""How far a backend is trusted with the user's text. Pure. Called by `server`.

What runs on this machine may see all that passes the gate; anything else is remote, as is what
cannot be told. A tunnel that ends on this machine looks like this machine.
"""

from __future__ import annotations

from typing import Literal

from midfill_lsp.backend.place import base_url
from midfill_lsp.config import Config
from midfill_lsp.errors import Unreachable
from midfill_lsp.hosts import is_loopback

Trust = Literal["local", "remote"]


def trust_of(config: Config, found_model: str | None = None) -> Trust:
    """Return how far the backend that these settings name is trusted.

    Args:
        config: the settings.
        found_model: the model that the server has, where the settings name none.
    """
    if config.backend.kind == "engine":
        url = config.engine.url
        return "local" if url is None or is_loopback(url) else "remote"
    try:
        is_here = is_loopback(base_url(config.backend))  # the model may stand in the host's place
    except Unreachable:  # nothing can be sent there
        return "remote"
    # Ollama passes models of such names on to its makers' servers.
    model = config.backend.model or found_model
    goes_on = config.backend.kind == "ollama" and (
        model is None or model.endswith(("-cloud", ":cloud"))
    )
    return "local" if is_here and not goes_on else "remote"
