"""Command-line options that name the engine or the server, and the objects they lead to.

Called by every subcommand that needs a completion or an answer.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from midfill_lsp.config import BackendConfig, BackendKind, Config, EngineConfig, FimFamily
from midfill_lsp.hosts import named_hosts

if TYPE_CHECKING:
    from midfill_lsp.backend.base import Backend
    from midfill_lsp.backend.infill import Engine
    from midfill_lsp.backend.tokens import EditorTokens


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
    _add_backend_options(parser)


def _add_backend_options(parser: argparse.ArgumentParser) -> None:
    default = BackendConfig()
    group = parser.add_argument_group("another server", "instead of the engine")
    kinds, families = get_args(BackendKind), get_args(FimFamily)
    group.add_argument("--backend", choices=kinds, default=default.kind, help="default: engine")
    group.add_argument("--backend-url", metavar="URL", help="its base URL, if not the usual one")
    group.add_argument("--backend-model", metavar="ID", help="the model's id there")
    group.add_argument(
        "--token-file", type=Path, metavar="FILE", help="file with the token on one line"
    )
    group.add_argument(
        "--token-variable", metavar="NAME", help="environment variable that holds the token"
    )
    group.add_argument("--ca-file", type=Path, metavar="FILE", help="more certificates to trust")
    group.add_argument(
        "--fim-family", choices=families, default=default.fim_family, help="default: by the model"
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
    backend = replace(
        config.backend,
        kind=options.backend,
        url=options.backend_url,
        model=options.backend_model,
        token_file=options.token_file,
        token_variable=options.token_variable,
        ca_file=options.ca_file,
        fim_family=options.fim_family,
    )
    return replace(config, engine=engine, backend=backend)


def _absolute(model: str) -> str:
    # The language server and the engine run in other folders.
    path = Path(model).expanduser()
    return str(path.resolve()) if model != "starter" and path.exists() else model


def write_options(config: Config) -> list[str]:
    """Return the options that `read_config` turns into `config` again."""
    engine, backend = config.engine, config.backend
    command = None if engine.command is None else shlex.join(engine.command)
    given: dict[str, object] = {
        "--model": engine.model,
        "--device": engine.device,
        "--engine-url": engine.url,
        "--api-key-file": engine.api_key_file,
        "--engine-command": command,
        "--backend": backend.kind,
        "--backend-url": backend.url,
        "--backend-model": backend.model,
        "--token-file": backend.token_file,
        "--token-variable": backend.token_variable,
        "--ca-file": backend.ca_file,
        "--fim-family": backend.fim_family,
    }
    return [
        word
        for option, value in given.items()
        if value is not None
        for word in (option, str(value))
    ]


def make_engine(config: EngineConfig, named: Collection[str] | None = None) -> Engine:
    """Return the engine that the configuration names; nothing is started yet.

    Args:
        config: which engine.
        named: hosts that its key may go to; if None, `config` is the user's own, and names one.
    """
    from midfill_lsp.engine_process.endpoint import FixedEngine
    from midfill_lsp.engine_process.shared import SharedEngine

    if config.url is not None:
        if named is None:
            named = named_hosts(os.environ, config.url)
        return FixedEngine(config.url, config.api_key_file, named)
    return SharedEngine(config)


def make_backend(
    config: Config, tokens: EditorTokens | None = None, own: Config | None = None
) -> Backend:
    """Return the backend that the configuration names; nothing is started or asked yet.

    Args:
        config: the whole tree.
        tokens: the editor's secret storage, where there is an editor.
        own: what of it the command line says; all if None. Tokens go where that names a host.
    """
    own = own or config
    named = named_hosts(os.environ, own.engine.url, own.backend.url)
    if config.backend.kind != "engine":
        from midfill_lsp.backend.choose import make_remote

        return make_remote(config.backend, tokens, named=named)
    from midfill_lsp.backend.infill import InfillBackend

    return InfillBackend(make_engine(config.engine, named))
