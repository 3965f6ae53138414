"""Command-line options that name the engine, and the objects they lead to.

Called by every subcommand that needs a completion or an answer.
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from midfill_lsp.config import Config, EngineConfig

if TYPE_CHECKING:
    from midfill_lsp.backend.infill import Engine, InfillBackend


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `read_config` reads."""
    default = EngineConfig()
    group = parser.add_argument_group("engine")
    group.add_argument(
        "--model",
        default=default.model,
        help="folder, Hub id or starter (the bundled model; default)",
    )
    group.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default=default.device, help="default: auto"
    )
    group.add_argument("--engine-url", metavar="URL", help="use the engine that runs there")
    group.add_argument(
        "--api-key-file",
        type=Path,
        metavar="FILE",
        help="its key, else the variable MIDFILL_API_KEY",
    )
    group.add_argument(
        "--engine-command",
        metavar="COMMAND",
        help="start the engine with this program; `serve ...` is added to it",
    )


def read_config(options: argparse.Namespace) -> Config:
    """Return the defaults with the options laid over them."""
    config = Config()
    command: str | None = options.engine_command
    engine = replace(
        config.engine,
        model=_absolute(options.model),
        device=options.device,
        url=options.engine_url,
        api_key_file=options.api_key_file,
        command=tuple(shlex.split(command)) if command else None,
    )
    return replace(config, engine=engine)


def _absolute(model: str) -> str:
    # The language server and the engine run in other folders.
    path = Path(model).expanduser()
    return str(path.resolve()) if model != "starter" and path.exists() else model


def write_engine_options(config: EngineConfig) -> list[str]:
    """Return the options that `read_config` turns into `config` again."""
    arguments = ["--model", config.model, "--device", config.device]
    if config.url is not None:
        arguments += ["--engine-url", config.url]
    if config.api_key_file is not None:
        arguments += ["--api-key-file", str(config.api_key_file)]
    if config.command is not None:
        arguments += ["--engine-command", shlex.join(config.command)]
    return arguments


def make_engine(config: EngineConfig) -> Engine:
    """Return the engine that the configuration names; nothing is started yet."""
    from midfill_lsp.engine_process.endpoint import FixedEngine
    from midfill_lsp.engine_process.shared import SharedEngine

    if config.url is not None:
        return FixedEngine(config.url, config.api_key_file)
    return SharedEngine(config)


def make_backend(config: Config) -> InfillBackend:
    """Return the backend that the configuration names; nothing is started yet."""
    from midfill_lsp.backend.infill import InfillBackend

    return InfillBackend(make_engine(config.engine))
