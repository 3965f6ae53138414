"""The words of the command line: parsed, checked, and turned into an `EngineConfig`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, get_args

from midfill_engine.config import (
    Attention,
    CacheDtype,
    Dtype,
    EngineConfig,
    Kernels,
    Limits,
    ModelConfig,
    ServerConfig,
    Speculate,
    version,
)
from midfill_engine.errors import StartError
from midfill_engine.named_model import NamedModel


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Returns the options; `command` is one of serve, info, pull and measure.

    Raises:
        StartError: a word is wrong, or an option has another name now.
    """
    _refuse_renamed(words)
    return _parser().parse_args(words)


def config_of(options: argparse.Namespace) -> EngineConfig:
    """Returns what the options of serve and info ask for."""
    named = options.model or [NamedModel(ModelConfig().source)]
    models = [_model(options, one) for one in named]
    if options.command != "serve":
        if len(models) > 1:
            raise StartError(f"{options.command} takes one --model")
        return EngineConfig(model=models[0])
    server = ServerConfig(
        host=options.host,
        port=options.port,
        api_key_file=options.api_key_file,
        no_auth=options.no_auth,
        allow_origins=tuple(options.allow_origin),
        ready_file=options.ready_file,
        exit_when_unused_s=options.exit_when_unused,
    )
    limits = Limits(max_concurrent=options.max_concurrent)
    return EngineConfig(models[0], server, limits, tuple(models[1:]))


def _model(options: argparse.Namespace, model: NamedModel) -> ModelConfig:
    """One of the models; the options but `--model` hold for each."""
    return ModelConfig(
        source=model.source,
        name=model.name,
        device=options.device,
        dtype=options.dtype,
        cache_dtype=options.cache_dtype,
        kernels=options.kernels,
        attention=options.attention,
        speculation=options.speculation,
        fim_family=options.fim_family,
        max_context=options.max_context,
        max_infill=options.max_infill,
        max_memory_mb=options.max_memory,
        num_threads=options.threads,
    )


_RENAMED = {
    "--max-total-tokens": "--max-total-tokens is now --max-context, in tokens",
    "--cache-mb": "--cache-mb is now --max-memory SIZE, for all of the process: try 2GB",
    "--max-requests": "--max-requests is now --max-concurrent, a number of requests",
}


def _refuse_renamed(words: Sequence[str]) -> None:
    for word in words:
        if (told := _RENAMED.get(word.partition("=")[0])) is not None:
            raise StartError(told)


class _Parser(argparse.ArgumentParser):
    """Reports a wrong command line as every other error: in one line."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise StartError(f"{message} (see {self.prog} --help)")


_COMMANDS = "serve | info | pull | measure"
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:]+\])(?::([0-9]{1,5}))?/?")
_USUAL_PORTS = {"http": 80, "https": 443}
"""They stand in no `Origin`."""


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="midfill-engine", description="Midfill's inference engine: code infill over HTTP."
    )
    parser.add_argument("--version", action="version", version=f"midfill-engine {version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar=_COMMANDS)
    serve = commands.add_parser("serve", help="load a model and answer over HTTP")
    serve.add_argument(
        "--model",
        action="append",
        type=_named_model,
        metavar="[NAME=]M",
        help="folder, Hub id, or starter (default); may be repeated, the first is the default",
    )
    _add_model_options(serve)
    _add_server_options(serve)
    info = commands.add_parser("info", help="load a model and print what it is, as JSON")
    info.add_argument(
        "--model",
        action="append",
        type=_named_model,
        metavar="[NAME=]M",
        help="folder, Hub id, or starter (default)",
    )
    _add_model_options(info)
    pull = commands.add_parser("pull", help="download a model from the Hub, or finish a download")
    pull.add_argument("model", type=_hub_id, help="owner/name or owner/name@revision")
    commands.add_parser("measure", help="time steps of random layers here, and print JSON")
    return parser


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    default = ModelConfig()
    add = parser.add_argument
    add("--device", default=default.device, choices=("auto", "cpu", "cuda"))
    add("--dtype", default=default.dtype, choices=get_args(Dtype))
    add("--cache-dtype", default=default.cache_dtype, choices=get_args(CacheDtype))
    add("--kernels", default=default.kernels, choices=get_args(Kernels))
    add("--attention", default=default.attention, choices=get_args(Attention))
    add("--speculation", default=default.speculation, choices=get_args(Speculate))
    add("--fim-family", metavar="NAME", help="infill family, or none; default: recognised")
    add("--max-context", type=_positive, metavar="N", help="tokens of prompt and completion")
    add("--max-infill", type=_positive, metavar="N", help="tokens of an infill prompt")
    add("--max-memory", type=_megabytes, metavar="SIZE", help="of the process, as 2GB or 512MB")
    add("--threads", type=_threads, metavar="N", help="CPU threads; default: physical cores")


def _add_server_options(parser: argparse.ArgumentParser) -> None:
    default = ServerConfig()
    add = parser.add_argument
    add("--host", default=default.host, help=f"address to listen on ({default.host})")
    add("--port", default=default.port, type=_port, help=f"0 = a free one ({default.port})")
    add("--api-key-file", type=Path, metavar="F", help="file that holds the API key")
    add("--no-auth", action="store_true", help="serve without a key, on loopback only")
    add(
        "--allow-origin",
        action="append",
        default=[],
        type=_origin,
        metavar="O",
        help="let web pages of this origin in; may be repeated",
    )
    add("--ready-file", type=Path, metavar="F", help="written once requests are accepted")
    add(
        "--exit-when-unused",
        type=_not_negative,
        metavar="S",
        help="end that many seconds after the last lease closed",
    )
    most = Limits().max_concurrent
    add("--max-concurrent", type=_positive, default=most, metavar="N", help="requests at once")


def _named_model(text: str) -> NamedModel:
    try:
        return NamedModel.read(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _hub_id(text: str) -> str:
    from midfill_engine.model.source import HUB_ID

    if HUB_ID.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a Hub id, owner/name[@revision]")
    return text


def _origin(text: str) -> str:
    """Returns an origin as browsers write it (RFC 6454, section 6.2)."""
    if text == "null":
        raise argparse.ArgumentTypeError(
            "'null' is not an origin but every page without one, whoever wrote it: serve yours "
            "over http://localhost and name that"
        )
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an origin, scheme://host[:port], such as http://localhost:3000"
        )
    scheme, host, port = found.groups()
    if port is None or int(port) == _USUAL_PORTS.get(scheme):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{_port(port)}"


def _positive(text: str) -> int:
    return _whole_number(text, 1, sys.maxsize)


def _threads(text: str) -> int:
    return _whole_number(text, 1, 1024)


def _port(text: str) -> int:
    return _whole_number(text, 0, 65535)


def _megabytes(text: str) -> int:
    number, unit = text[:-2], text[-2:].upper()
    try:
        size = float(number) * {"MB": 1, "GB": 1024}[unit]
    except (ValueError, KeyError):
        size = 0.0
    if not 1 <= size < 2**30:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 512MB or 2.5GB")
    return int(size)


def _whole_number(text: str, low: int, high: int) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        limit = f"at least {low}" if high == sys.maxsize else f"{low} to {high}"
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, {limit}")
    return int(text)


def _not_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value
