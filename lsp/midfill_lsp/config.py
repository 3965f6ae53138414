"""Every setting of the language server with its default, and nothing else that has one.

Built once at the edge (`parse`), never changed after; a new configuration is a new `Config`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Which engine answers.

    Attributes:
        url: base URL of a running engine; None finds or starts the user's shared one.
        api_key_file: file with the engine's key when `url` is set; else `MIDFILL_API_KEY`.
        model: folder, Hub id or `starter`, given to the engine that is started.
        device: `auto`, `cpu` or `cuda`, given to the engine that is started.
        command: program and arguments that start the engine; None means `midfill-engine`
            beside this interpreter.
        start_timeout_s: how long to wait for the engine to be ready.
        exit_when_unused_s: how long a started engine outlives its last editor.
    """

    url: str | None = None
    api_key_file: Path | None = None
    model: str = "starter"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    command: tuple[str, ...] | None = None
    start_timeout_s: float = 120.0
    exit_when_unused_s: float = 10.0


@dataclass(frozen=True, slots=True)
class CompletionConfig:
    """When and what to suggest.

    Attributes:
        enabled: False answers every request with nothing.
        debounce_ms: wait before an automatic request is sent.
        mode: `line`, `block`, or `auto` (decided from syntax and indentation).
        max_line_tokens: bound for a single line.
        max_block_tokens: bound for a block.
        prefix_chars: text sent before the cursor, in code points.
        suffix_chars: text sent after the cursor, in code points.
        cache_entries: suggestions kept for typing through.
        disabled_languages: language ids that get nothing.
    """

    enabled: bool = True
    debounce_ms: int = 40
    mode: Literal["auto", "line", "block"] = "auto"
    max_line_tokens: int = 48
    max_block_tokens: int = 160
    prefix_chars: int = 12_000
    suffix_chars: int = 4_000
    cache_entries: int = 64
    disabled_languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """The whole tree."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    completion: CompletionConfig = field(default_factory=CompletionConfig)
