"""What goes along with a completion from other files. Made by `finder`, read by `complete`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from midfill_lsp.fim_files import OtherFile


@dataclass(frozen=True, slots=True)
class Found:
    """What goes along, and how it came to that; names and numbers but for the files' text.

    Attributes:
        files: pieces of other files, the most important last.
        sources: how many are from which source.
        refused: how many the gate refused, by its reason.
        num_secrets: lines of the pieces that held a secret.
        tokens: what they may take, estimated.
        took_ms: on the event loop.
        waited_ms: for the threads.
    """

    files: tuple[OtherFile, ...] = ()
    sources: Mapping[str, int] = field(default_factory=dict[str, int])
    refused: Mapping[str, int] = field(default_factory=dict[str, int])
    num_secrets: int = 0
    tokens: int = 0
    took_ms: float = 0.0
    waited_ms: float = 0.0
