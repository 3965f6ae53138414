"""Which program is the engine, with which arguments, under which identity. Called by `start`."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from midfill_lsp.config import EngineConfig
from midfill_lsp.engine_process.endpoint import KEY_VARIABLE
from midfill_lsp.errors import EngineStartError

PROTOCOL = 1
"""Of docs/protocol.md: raised when an engine and a language server no longer understand each other.

Versions of Midfill with one protocol share an engine; others have one each.
"""

_REQUIRED_MODULES = ("midfill_engine", "numpy", "tokenizers", "safetensors", "starlette", "uvicorn")


def missing_modules() -> tuple[str, ...]:
    """Return the modules of the `engine` extra that are not installed; imports none of them."""
    return tuple(name for name in _REQUIRED_MODULES if importlib.util.find_spec(name) is None)


def version() -> str:
    """Return the installed version of Midfill."""
    return metadata.version("midfill")


def identity(config: EngineConfig) -> str:
    """Return the name under which engines are shared: same name, same engine.

    The host name is part of it, because a home folder may be shared by several machines.
    """
    facts = [
        platform.node(),
        PROTOCOL,
        _model(config),
        config.device,
        list(_program(config)),
    ]
    return "engine-" + hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


def build(config: EngineConfig, ready_file: Path, key_file: Path) -> list[str]:
    """Return the command line that starts the engine; it holds paths, never a key.

    `config.command` replaces the program; the arguments from `serve` on are added to it.

    Raises:
        EngineStartError: the engine is not installed beside this interpreter.
    """
    if config.command is None and (missing := missing_modules()):
        raise EngineStartError(
            f"the engine is not installed (no {', '.join(missing)}): "
            'run pip install "midfill[engine]", or set midfill.engine.url to a running one'
        )
    return [
        *_program(config),
        "serve",
        *("--model", _model(config)),
        *("--device", config.device),
        *("--port", "0"),
        *("--ready-file", str(ready_file)),
        *("--api-key-file", str(key_file)),
        *("--exit-when-unused", f"{config.exit_when_unused_s:g}"),
    ]


def environment() -> dict[str, str]:
    """Return the engine's environment: ours (Hub token included) less a key for another engine."""
    return {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}


def _program(config: EngineConfig) -> tuple[str, ...]:
    return config.command or (sys.executable, "-m", "midfill_engine.cli")


def _model(config: EngineConfig) -> str:
    # Nothing is looked for in the current folder: it often is the project that is open, which
    # could hold a folder with the name of the Hub's model that the user has chosen.
    try:
        path = Path(config.model).expanduser()
        return str(path.resolve()) if path.is_absolute() and path.exists() else config.model
    except (OSError, RuntimeError, ValueError):  # no path has that name, or none that we may see
        return config.model
