"""The language server's face to the editor; the sole place that knows pygls.

`run` is called by the command line once the engine's start is under way, because importing this
package takes about a second and the two should overlap. Nothing here decides what to suggest:
that is `midfill_lsp.complete`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from midfill_lsp.backend.base import Backend
from midfill_lsp.config import Config


@runtime_checkable
class EngineControl(Protocol):
    """What a backend that owns an engine offers beyond `Backend`; found by `isinstance`."""

    async def start(self) -> None:
        """Return when the engine answers; raise `EngineStartError` otherwise.

        Called once after the handshake, with a progress bar in the editor, and again after a
        failure. Calls while a start is under way wait for that one. `infill` does the same
        on its own, so a request may come before this call has returned.
        """
        ...

    async def restart(self) -> None:
        """Stop the engine this process started, if any, and start one anew."""
        ...

    def describe(self) -> Mapping[str, object]:
        """Return `model`, `url` and `pid` of the engine; None where not known. Never a key."""
        ...


def run(make_backend: Callable[[Config], Backend], config: Config) -> int:
    """Serve one editor over stdio until it leaves, and return the exit status.

    Args:
        make_backend: builds the backend; must not block (an engine is started by
            `EngineControl.start` or by the first `infill`). Called again when the settings of the
            engine change; the backend before is closed first.
        config: defaults and command line; `initializationOptions.midfill` and the client's
            `midfill` section are laid over it.

    Returns:
        0 after `shutdown` (with `exit` or a closed stdin), 1 otherwise.
    """
    raise NotImplementedError
