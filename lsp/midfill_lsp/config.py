"""Every setting of the language server with its default, and nothing else that has one.

Never changed once it is built; a new configuration is a new `Config`. `midfill_lsp.settings` makes
one from files, the command line and what an editor sends. To add a setting, add one field here by
`setting`, and run `make docs`: it can be set everywhere then, is checked, and stands in
docs/configuration.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from midfill_lsp.setting import setting

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


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Which engine answers."""

    url: str | None = setting(
        None, "base URL of a running engine; null finds or starts your shared one"
    )
    api_key_file: Path | None = setting(
        None, "file with the engine's key when `engine.url` is set; else `MIDFILL_API_KEY`"
    )
    model: str = setting(
        "starter",
        "a folder from `/` or `~` on (in `midfill.toml` from `./` too), a Hub id or `starter` (the "
        "bundled one), for the engine that is started",
        may_be_folder=True,
    )
    device: Literal["auto", "cpu", "cuda"] = setting("auto", "for the engine that is started")
    command: tuple[str, ...] | None = setting(
        None,
        "program and arguments that start the engine; null means `midfill-engine` beside the "
        "language server",
    )
    start_timeout_s: float = setting(
        120.0,
        "seconds to wait for the engine to be ready, or to tell its progress",
        within=(1, 3600),
    )
    exit_when_unused_s: float = setting(
        10.0, "seconds that a started engine outlives its last editor", within=(0, 86_400)
    )


@dataclass(frozen=True, slots=True)
class BackendConfig:
    """Who writes the text."""

    kind: BackendKind = setting(
        "engine",
        "who writes the text: the user's own `engine`, or a server that speaks `tgi` (Hugging "
        "Face: the PRO API, its router, an Inference Endpoint, a text-generation-inference of "
        "one's own), `openai`, `llamacpp` or `ollama` ([Another server](#another-server))",
    )
    url: str | None = setting(
        None,
        "the server's base URL; null means the kind's usual place. `{model}` in it stands for "
        "`backend.model`",
    )
    model: str | None = setting(
        None, "the model's id there; null takes the only one that is served"
    )
    token_source: Literal["auto", "editor", "file", "variable", "hub", "none"] = setting(
        "auto", "where the token comes from ([Tokens](#tokens))"
    )
    token_file: Path | None = setting(None, "file that holds the token on one line")
    token_variable: str | None = setting(
        None, "name of the environment variable that holds the token, such as `OPENAI_API_KEY`"
    )
    fim_family: FimFamily = setting(
        "auto", "how infill prompts are written as text; `auto` goes by the model's id"
    )
    chat_format: ChatFormatName = setting(
        "auto",
        "how chats are written as text where there is no chat route (`llama2` for Code Llama "
        "Instruct too); `auto` goes by the model's id",
    )
    context_tokens: int | None = setting(
        None,
        "the model's context, where the server does not tell it; Ollama loads the model with it, "
        "else with at most 8,192",
        within=(256, 10_000_000),
    )
    ca_file: Path | None = setting(
        None,
        "file or folder of certificates (PEM) to trust besides the system's, such as a company's",
    )
    connect_timeout_s: float = setting(5.0, "seconds until a connection stands", within=(1, 300))
    first_byte_timeout_s: float = setting(60.0, "seconds until an answer begins", within=(1, 3600))
    idle_timeout_s: float = setting(
        30.0, "seconds between two pieces of an answer", within=(1, 3600)
    )
    load_timeout_s: float = setting(
        300.0, "seconds to wait for a model that the server is loading", within=(0, 3600)
    )


@dataclass(frozen=True, slots=True)
class CompletionConfig:
    """When and what to suggest."""

    enabled: bool = setting(True, "false answers every request with nothing", workspace="narrows")
    debounce_ms: int | Literal["auto"] = setting(
        "auto",
        "milliseconds to wait before an automatic request is sent, or `auto`: from the typing's "
        "rhythm and the backend's pace ([When it asks](#when-it-asks)); explicit ones never wait",
        within=(0, 10_000),
        workspace="sets",
    )
    debounce_min_ms: int = setting(
        10, "shortest wait of `auto`", within=(0, 10_000), workspace="sets"
    )
    debounce_max_ms: int = setting(
        400, "longest wait of `auto`", within=(0, 10_000), workspace="sets"
    )
    grace_ms: int = setting(
        500,
        "milliseconds that the backend goes on writing after its request was cancelled, in case "
        "the next key agrees",
        within=(0, 60_000),
        workspace="sets",
    )
    block_wait_ms: int = setting(
        150,
        "milliseconds that a reply waits for the rest of a block once its first line is whole, "
        "where the text cannot grow in the editor",
        within=(0, 10_000),
        workspace="sets",
    )
    prefetch: bool = setting(
        True,
        "after an accepted suggestion, ask for what comes behind it before the editor does",
        workspace="narrows",
    )
    warm_up: bool = setting(
        True,
        "while the cursor rests at a place, an engine on this machine reads the text around it, so "
        "that the first suggestion there need not wait for that; no other server is asked",
        workspace="narrows",
    )
    candidates: int = setting(
        3,
        "suggestions that an explicit request gets at most, to cycle through",
        within=(1, 8),
        workspace="sets",
    )
    mode: Literal["auto", "line", "block"] = setting(
        "auto",
        "`line`, `block`, or `auto`: decided from syntax and indentation. With text behind the "
        "cursor it is always a line",
        workspace="sets",
    )
    max_line_tokens: int = setting(
        48, "bound for a single line", within=(1, 1024), workspace="sets"
    )
    max_block_tokens: int = setting(160, "bound for a block", within=(1, 4096), workspace="sets")
    prefix_chars: int = setting(
        12_000,
        "text sent before the cursor, in code points",
        within=(100, 1_000_000),
        workspace="sets",
    )
    suffix_chars: int = setting(
        4_000,
        "text sent after the cursor, in code points",
        within=(0, 1_000_000),
        workspace="sets",
    )
    min_confidence: float = setting(
        0.5,
        "how likely the model must find the tokens of a line, on their geometric mean, for it to "
        "be shown unasked; 0 shows all. Only where the server tells it at no cost: Midfill's "
        "engine does. Explicit requests show all",
        within=(0, 1),
        workspace="sets",
    )
    cache_entries: int = setting(
        64, "suggestions kept for typing through", within=(1, 10_000), workspace="sets"
    )
    disabled_languages: tuple[str, ...] = setting(
        (), "language ids that get nothing", workspace="narrows"
    )


@dataclass(frozen=True, slots=True)
class ContextConfig:
    """What of the user's text goes to a backend, and what never."""

    send: Literal["never", "auto", "always"] = setting(
        "auto",
        "pieces of other files with each completion ([Other files](#other-files)): `auto` where "
        "the model is known or likely to gain",
        workspace="narrows",
    )
    max_tokens: int = setting(
        768,
        "most tokens of other files, estimated at 3.5 characters each",
        within=(0, 100_000),
    )
    budget_ms: int = setting(
        30,
        "milliseconds that a document's first completion waits for what is read in threads; later "
        "ones never wait",
        within=(0, 1000),
    )
    max_files: int = setting(
        20_000,
        "most files in the index of the workspace; 0 keeps none",
        within=(0, 1_000_000),
    )
    remote: Literal["none", "file", "workspace"] = setting(
        "file",
        "of which files a backend on another machine may see anything: `file` (the one that is "
        "edited), `workspace` (all that pass the [gate](#privacy)), or `none` (nothing is "
        "completed there)",
        workspace="narrows",
    )
    allow: tuple[str, ...] = setting(
        (),
        "files that pass although an ignore file leaves them out, or `context.remote` is `file`; "
        "as a line of .gitignore each",
    )
    deny: tuple[str, ...] = setting(
        (), "files that go to no backend at all; as a line of .gitignore each", workspace="narrows"
    )
    secret_files: bool = setting(
        False,
        "true lets a backend on this machine see files that look like secrets",
        workspace="narrows",
    )


@dataclass(frozen=True, slots=True)
class StatisticsConfig:
    """What is counted."""

    enabled: bool = setting(
        True,
        "false counts nothing; else numbers, never text, are kept on this machine, for "
        "`midfill stats` ([Statistics](#statistics))",
    )


@dataclass(frozen=True, slots=True)
class Config:
    """The whole tree."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    backend: BackendConfig = field(default_factory=BackendConfig)
    completion: CompletionConfig = field(default_factory=CompletionConfig)
    context: ContextConfig = field(default_factory=ContextConfig)
    statistics: StatisticsConfig = field(default_factory=StatisticsConfig)


def wire_name(name: str) -> str:
    """Return a field's name as it stands in JSON: `debounce_ms` is `debounceMs`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
