"""`midfill models [list | recommend | pull ID | use ID]`: which there are, and which is used."""

from __future__ import annotations

import argparse
import asyncio
import subprocess

from midfill_lsp.cli import list_models, serve
from midfill_lsp.cli import options as engine_options
from midfill_lsp.cli.catalogue import ANNOUNCED, INFILL, CatalogueModel
from midfill_lsp.cli.machine import Machine, look
from midfill_lsp.cli.recommend import Fit, rank
from midfill_lsp.cli.use_model import use
from midfill_lsp.config import EngineConfig
from midfill_lsp.errors import MidfillError

_GB = 1e9


class WrongWords(MidfillError):
    """An action lacks its model, or has one too many."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's options."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "recommend", "pull", "use"),
        default="list",
        help="list (default), the one that suits this machine, download ID, or change to ID",
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="owner/name on the Hub; use: a folder")
    parser.add_argument("--json", action="store_true", help="list prints JSON")
    engine_options.add_engine_options(parser)


def run(options: argparse.Namespace) -> int:
    """Do what the action says."""
    wants_id = options.action in {"pull", "use"}
    if wants_id != (options.id is not None):
        needed = "an ID, such as Qwen/Qwen2.5-Coder-1.5B" if wants_id else "no ID"
        raise WrongWords(f"midfill models {options.action} takes {needed}")
    if options.action == "pull":
        return serve.hand_over("pull", [options.id])
    if options.action == "use":
        config = engine_options.read_config(options)
        if config.backend.kind != "engine":
            raise WrongWords(f"backend.kind is {config.backend.kind}: set backend.model instead")
        return _use(config.engine, options.id)
    if options.action == "recommend":
        return _recommend(look())
    return list_models.run(options)


def _use(config: EngineConfig, source: str) -> int:
    """Change the engine's model; what is not here is downloaded first, with its progress shown."""
    if config.url is None and "/" in source and source in {m.model_id for m in _known()}:
        done = subprocess.call(serve.command("pull", [source]), stdout=subprocess.DEVNULL)
        if done != 0:
            return done
    asyncio.run(use(config, source, print))
    return 0


def _recommend(machine: Machine) -> int:
    print(_described(machine))
    fits = rank(_known(), machine)
    best = next((fit for fit in fits if fit.obstacle is None), None)
    for fit in fits:
        print(_line(fit))
    if best is None:
        print("\nnone of them suits this machine: stay with starter, the bundled model")
    else:
        name = best.model.model_id
        print(f"\nrecommended: {name}\n    midfill models use {name}")
    _recommend_chat(machine)
    return 0


def _recommend_chat(machine: Machine) -> None:
    """Print which models chat, and the best of them for this machine."""
    print("\nto chat, which the models above and starter do not:")
    fits = rank(_known(), machine, ("chat", "code chat"))
    for fit in fits:
        print(_line(fit))
    if fits[0].obstacle is None:
        print(f"\nrecommended to chat: {fits[0].model.model_id}")
    else:
        print("\nnone of them suits this machine: chat by a server, see midfill chat --help")


def _known() -> tuple[CatalogueModel, ...]:
    return (*INFILL, *ANNOUNCED)


def _described(machine: Machine) -> str:
    memory = "unknown" if machine.memory_bytes is None else f"{machine.memory_bytes / _GB:.1f} GB"
    speed = f"moved at {machine.bytes_per_s / _GB:.0f} GB/s by one core"
    gpu = machine.gpu
    told = "no NVIDIA GPU" if gpu is None else f"{gpu.name}, {gpu.memory_bytes / _GB:.0f} GB"
    return f"free memory {memory}, {speed}; {told}\n"


def _line(fit: Fit) -> str:
    speed = "" if fit.ms_per_token is None else f", about {fit.ms_per_token:.0f} ms a token"
    verdict = "fine" if fit.obstacle is None else fit.obstacle
    return (
        f"{fit.model.model_id:38} {verdict:29} {fit.needs_bytes / _GB:5.1f} GB on {fit.device}"
        f"{speed}"
    )
