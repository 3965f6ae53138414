"""Every setting of the language server with its default, and nothing else that has one.

Built once at the edge (`parse`), never changed after; a new configuration is a new `Config`.
Settings are spelled in camel case on the wire (`completion.debounceMs`); snake case is read too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

EDITOR_KEYS = frozenset({"trace", "client", "statusNotifications", "tokenRequests"})
"""Keys of the `midfill` section that belong to the editors' plugins or the handshake."""

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

_Node = TypeVar("_Node")


def _within(low: float, high: float) -> dict[str, float]:
    """Bounds of a number, both included; read by `parse` and by docs/configuration.md's test."""
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
    debounce_ms: int = field(default=40, metadata=_within(0, 10_000))
    mode: Literal["auto", "line", "block"] = "auto"
    max_line_tokens: int = field(default=48, metadata=_within(1, 1024))
    max_block_tokens: int = field(default=160, metadata=_within(1, 4096))
    prefix_chars: int = field(default=12_000, metadata=_within(100, 1_000_000))
    suffix_chars: int = field(default=4_000, metadata=_within(0, 1_000_000))
    cache_entries: int = field(default=64, metadata=_within(1, 10_000))
    disabled_languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """The whole tree."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    backend: BackendConfig = field(default_factory=BackendConfig)
    completion: CompletionConfig = field(default_factory=CompletionConfig)


def parse(settings: Mapping[str, object], base: Config | None = None) -> tuple[Config, list[str]]:
    """Lay settings from outside over `base`.

    Args:
        settings: the `midfill` section as JSON gives it. A null leaves the setting as it is.
        base: what stands where `settings` says nothing or something wrong; the defaults if None.

    Returns:
        The new configuration, and one line for every unknown key or bad value.
    """
    problems: list[str] = []
    own = {key: value for key, value in settings.items() if key not in EDITOR_KEYS}
    return _parse_node(own, base or Config(), "midfill", problems), problems


def merge(lower: Mapping[str, object], upper: Mapping[str, object]) -> dict[str, object]:
    """Lay one settings tree over another, key by key; nulls in `upper` hide nothing."""
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = merge(
                cast("Mapping[str, object]", below), cast("Mapping[str, object]", value)
            )
        elif value is not None:
            merged[key] = value
    return merged


def wire_name(name: str) -> str:
    """Return a field's name as it stands in JSON: `debounce_ms` is `debounceMs`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _parse_node(
    settings: Mapping[str, object], base: _Node, path: str, problems: list[str]
) -> _Node:
    assert is_dataclass(base)
    assert not isinstance(base, type)
    hints = get_type_hints(type(base))
    known = {item.name: item for item in fields(base)}
    changes: dict[str, Any] = {}
    for key, value in settings.items():
        name = _snake(key)
        where = f"{path}.{wire_name(name)}"
        if name not in known:
            near = ", ".join(wire_name(item) for item in known)
            problems.append(f"unknown setting {path}.{key[:60]}; there are: {near}")
        elif value is None:
            continue
        elif is_dataclass(child := getattr(base, name)):
            if isinstance(value, Mapping):
                section = cast("Mapping[str, object]", value)
                changes[name] = _parse_node(section, child, where, problems)
            else:
                problems.append(f"{where}: expected a group of settings, got {_shown(value)}")
        else:
            try:
                changes[name] = _parse_value(value, hints[name], known[name].metadata)
            except ValueError as error:
                used = _shown(child)
                problems.append(f"{where}: expected {error}, got {_shown(value)}; using {used}")
    return cast("_Node", replace(base, **changes))


def _parse_value(value: object, hint: object, bounds: Mapping[str, float]) -> object:
    """Return `value` as the hint's type.

    Raises:
        ValueError: it is not; the text says what was expected.
    """
    choices = [item for item in get_args(hint) if item is not type(None)]
    if get_origin(hint) is Literal:
        if value in choices:
            return value
        raise ValueError("one of " + ", ".join(choices))
    if type(None) in get_args(hint):
        return _parse_value(value, choices[0], bounds)
    if get_origin(hint) is tuple:
        entries = cast("list[object]", value) if isinstance(value, list) else []
        if isinstance(value, list) and all(isinstance(item, str) for item in entries):
            return tuple(entries)
        raise ValueError("a list of texts")
    if hint is bool:
        if isinstance(value, bool):
            return value
        raise ValueError("true or false")
    if hint is int or hint is float:
        return _parse_number(value, int if hint is int else float, bounds)
    if isinstance(value, str) and value.strip():
        return Path(value).expanduser() if hint is Path else value
    raise ValueError("a text that is not empty")


def _parse_number(
    value: object, kind: type[int] | type[float], bounds: Mapping[str, float]
) -> int | float:
    low, high = bounds["low"], bounds["high"]
    whole = "a whole number" if kind is int else "a number"
    fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    if fits and kind is int:
        fits = isinstance(value, int) or float(cast("float", value)).is_integer()
    if not fits or not low <= cast("float", value) <= high:
        raise ValueError(f"{whole} from {low:.0f} to {high:.0f}")
    return kind(cast("float", value))


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "a group"
    text = str(value) if isinstance(value, Path) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
