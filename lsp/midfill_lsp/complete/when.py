"""Whether a completion is asked for at all. Pure. Called by `completer`, before anything else."""

from __future__ import annotations

from midfill_lsp.complete.request import CompletionRequest
from midfill_lsp.config import CompletionConfig


def switched_off(request: CompletionRequest, config: CompletionConfig) -> str | None:
    """Return which setting keeps everybody from asking here, None if none does."""
    if not config.enabled:
        return "completion.enabled is false"
    if request.snapshot.language_id in config.disabled_languages:
        return f"completion.disabledLanguages holds {request.snapshot.language_id}"
    return None
