"""Every setting of the language server with its default, and nothing else that has one.

Never changed once it is built; a new configuration is a new `Config`. `settings` makes one from
what an editor sends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

BackendKind = Literal["engine", "tgi", "openai", "llamacpp", "ollama"]
FimFamily = Literal[
    "auto",
    "none",
    "codellama",
    "starcoder",
    "santacoder",
    "deepseek",
    "qwen",
    "codegemma",
    "codestral",
    "granite",
]
ChatFormatName = Literal[
    "auto", "llama2", "codellama70b", "mistral", "zephyr", "openchat", "chatml"
]


def _within(low: float, high: float) -> dict[str, float]:
    """Bounds of a number, both included; read by `settings` and by docs/configuration.md's test."""
    return {"low": low, "high": high}


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
    start_timeout_s: float = field(default=120.0, metadata=_within(1, 3600))
    exit_when_unused_s: float = field(default=10.0, metadata=_within(0, 86_400))


@dataclass(frozen=True, slots=True)
class BackendConfig:
    """Who writes the text.

    Attributes:
        kind: `engine` (the user's own, see `EngineConfig`), or what the server at `url` speaks.
        url: base URL; None means the kind's usual place. `{model}` in it stands for `model`.
        model: the model's id there; None takes the only one that is served.
        token_source: where the token comes from; `auto` takes the first that is there.
        token_file: file that holds it on one line.
        token_variable: environment variable that holds it.
        fim_family: how infill prompts are written as text; `auto` goes by the model's id.
        chat_format: how chats are written where there is no chat route; `auto` by the model's id.
        context_tokens: the model's context, where the server does not tell.
        ca_file: certificates to trust besides the system's, in PEM.
        connect_timeout_s: until a connection stands.
        first_byte_timeout_s: until an answer begins.
        idle_timeout_s: between two pieces of an answer.
        load_timeout_s: how long a model that is being loaded is waited for.
    """

    kind: BackendKind = "engine"
    url: str | None = None
    model: str | None = None
    token_source: Literal["auto", "editor", "file", "variable", "hub", "none"] = "auto"
    token_file: Path | None = None
    token_variable: str | None = None
    fim_family: FimFamily = "auto"
    chat_format: ChatFormatName = "auto"
    context_tokens: int | None = field(default=None, metadata=_within(256, 10_000_000))
    ca_file: Path | None = None
    connect_timeout_s: float = field(default=5.0, metadata=_within(1, 300))
    first_byte_timeout_s: float = field(default=60.0, metadata=_within(1, 3600))
    idle_timeout_s: float = field(default=30.0, metadata=_within(1, 3600))
    load_timeout_s: float = field(default=300.0, metadata=_within(0, 3600))


@dataclass(frozen=True, slots=True)
class CompletionConfig:
    """When and what to suggest.

    Attributes:
        enabled: False answers every request with nothing.
        debounce_ms: wait before an automatic request is sent; `auto` goes by the typing's rhythm
            and the backend's pace.
        debounce_min_ms: shortest wait of `auto`.
        debounce_max_ms: longest wait of `auto`.
        grace_ms: how long a stream goes on when its request was cancelled and nobody joined it.
        block_wait_ms: wait of a reply that cannot grow for a block's other lines.
        prefetch: ask for what comes behind a suggestion when it was accepted.
        candidates: how many suggestions an explicit request gets at most.
        mode: `line`, `block`, or `auto` (decided from syntax and indentation).
        max_line_tokens: bound for a single line.
        max_block_tokens: bound for a block.
        prefix_chars: text sent before the cursor, in code points.
        suffix_chars: text sent after the cursor, in code points.
        cache_entries: suggestions kept for typing through.
        disabled_languages: language ids that get nothing.
    """

    enabled: bool = True
    debounce_ms: int | Literal["auto"] = field(default="auto", metadata=_within(0, 10_000))
    debounce_min_ms: int = field(default=10, metadata=_within(0, 10_000))
    debounce_max_ms: int = field(default=400, metadata=_within(0, 10_000))
    grace_ms: int = field(default=500, metadata=_within(0, 60_000))
    block_wait_ms: int = field(default=150, metadata=_within(0, 10_000))
    prefetch: bool = True
    candidates: int = field(default=3, metadata=_within(1, 8))
    mode: Literal["auto", "line", "block"] = "auto"
    max_line_tokens: int = field(default=48, metadata=_within(1, 1024))
    max_block_tokens: int = field(default=160, metadata=_within(1, 4096))
    prefix_chars: int = field(default=12_000, metadata=_within(100, 1_000_000))
    suffix_chars: int = field(default=4_000, metadata=_within(0, 1_000_000))
    cache_entries: int = field(default=64, metadata=_within(1, 10_000))
    disabled_languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContextConfig:
    """What of the user's text goes to a backend besides the text around the cursor, and what never.

    Attributes:
        remote: of which files a backend on another machine may see anything: none at all (nothing
            is completed then), the file that is edited, or all of the workspace that pass.
        allow: files that pass although an ignore file leaves them out or `remote` is `file`.
        deny: files that go to no backend at all.
        secret_files: a backend on this machine may see files that look like secrets.
    """

    remote: Literal["none", "file", "workspace"] = "file"
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    secret_files: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """The whole tree."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    backend: BackendConfig = field(default_factory=BackendConfig)
    completion: CompletionConfig = field(default_factory=CompletionConfig)
    context: ContextConfig = field(default_factory=ContextConfig)


def wire_name(name: str) -> str:
    """Return a field's name as it stands in JSON: `debounce_ms` is `debounceMs`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
