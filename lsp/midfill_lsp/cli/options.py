"""Command-line options that name the engine or the server, and the objects they lead to.

Called by every subcommand that needs a completion or an answer.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from midfill_lsp.cli.terminal import say
from midfill_lsp.config import BackendKind, Config, EngineConfig, FimFamily
from midfill_lsp.errors import ConfigError
from midfill_lsp.hosts import named_hosts
from midfill_lsp.settings.layer import Layer
from midfill_lsp.settings.parse import is_relative, whole_path
from midfill_lsp.settings.settle import settle
from midfill_lsp.settings.sources import COMMAND_LINE, Sources

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(?:@[\w./-]+)?")

_SETTINGS = {
    "model": ("engine", "model"),
    "device": ("engine", "device"),
    "engine_url": ("engine", "url"),
    "api_key_file": ("engine", "api_key_file"),
    "engine_command": ("engine", "command"),
    "backend": ("backend", "kind"),
    "backend_url": ("backend", "url"),
    "backend_model": ("backend", "model"),
    "token_file": ("backend", "token_file"),
    "token_variable": ("backend", "token_variable"),
    "ca_file": ("backend", "ca_file"),
    "fim_family": ("backend", "fim_family"),
}
"""The setting that each option stands for."""

if TYPE_CHECKING:
    from midfill_lsp.backend.base import Backend
    from midfill_lsp.backend.engine_model import Engine
    from midfill_lsp.backend.tokens import EditorTokens


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `read_config` reads."""
    group = parser.add_argument_group("engine", "what is left out comes from the settings' file")
    group.add_argument("--model", help="folder, Hub id or starter (the bundled model; default)")
    group.add_argument("--device", choices=("auto", "cpu", "cuda"), help="default: auto")
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


def add_workspace_option(parser: argparse.ArgumentParser) -> None:
    """Add the folder whose settings count."""
    parser.add_argument(
        "--workspace",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="whose midfill.toml counts; default: here",
    )


def workspace_of(options: argparse.Namespace) -> Path:
    """Return the folder whose settings count.

    Raises:
        ConfigError: there is none of that name.
        FileNotFoundError: the folder that the program runs in is gone.
    """
    folder: Path = options.workspace.absolute()
    if not folder.is_dir():
        raise ConfigError(f"--workspace: {folder} is no folder")
    return folder


def _add_backend_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("another server", "instead of the engine")
    kinds, families = get_args(BackendKind), get_args(FimFamily)
    group.add_argument("--backend", choices=kinds, help="default: engine")
    group.add_argument("--backend-url", metavar="URL", help="its base URL, if not the usual one")
    group.add_argument("--backend-model", metavar="ID", help="the model's id there")
    group.add_argument(
        "--token-file", type=Path, metavar="FILE", help="file with the token on one line"
    )
    group.add_argument(
        "--token-variable", metavar="NAME", help="environment variable that holds the token"
    )
    group.add_argument("--ca-file", type=Path, metavar="FILE", help="more certificates to trust")
    group.add_argument("--fim-family", choices=families, help="default: by the model")


def read_sources(options: argparse.Namespace) -> Sources:
    """Return the user's file with the options laid over it.

    Raises:
        ConfigError: an option's value is wrong.
    """
    groups = dict[str, dict[str, object]]()
    for word, (group, name) in _SETTINGS.items():
        value: object = getattr(options, word)
        if value is not None:
            groups.setdefault(group, {})[name] = _as_setting(word, value)
    wrong = settle([Layer(COMMAND_LINE, groups)]).problems
    if wrong:
        raise ConfigError("; ".join(wrong))
    return Sources(groups)


def read_config(options: argparse.Namespace) -> Config:
    """Return the user's settings, less what is wrong with his file: that is told on stderr.

    Raises:
        ConfigError: an option's value is wrong.
    """
    settled = read_sources(options).settled()
    for problem in settled.problems:
        say(f"midfill: warning: {problem}", is_error=True)
    return settled.config


def _as_setting(word: str, value: object) -> object:
    if word == "engine_command":
        return shlex.split(str(value))
    return _portable(word, value)


def _portable(word: str, value: object) -> str:
    """Return a value as it means the same in the folders of the language server and the engine."""
    if isinstance(value, Path):
        return whole_path(str(value))
    return whole_model(str(value)) if word == "model" else str(value)


def whole_model(model: str) -> str:
    """Return a model's folder as an absolute path, and what is no path as it is.

    `owner/name` is the Hub's, whatever lies here: the current folder may be anybody's.
    """
    if model == "starter" or (_HUB_ID.fullmatch(model) and not model.startswith(".")):
        return model
    place = os.path.expanduser(model)
    is_path = is_relative(model) or os.path.exists(place)
    return os.path.realpath(place) if is_path else model


def write_options(options: argparse.Namespace) -> list[str]:
    """Return the given options as words, for another `midfill` that reads the same file."""
    words: list[str] = []
    for word in _SETTINGS:
        value: object = getattr(options, word)
        if value is not None:
            words += ["--" + word.replace("_", "-"), _portable(word, value)]
    return words


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
        own: what of it the command line and the user's file say; all if None. Tokens go to the
            hosts that this names.
    """
    own = own or config
    named = named_hosts(os.environ, own.engine.url, own.backend.url)
    if config.backend.kind != "engine":
        from midfill_lsp.backend.choose import make_remote

        return make_remote(config.backend, tokens, named=named)
    from midfill_lsp.backend.infill import InfillBackend

    return InfillBackend(make_engine(config.engine, named))
