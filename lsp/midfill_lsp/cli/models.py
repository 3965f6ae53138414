"""`midfill models [list | recommend | pull ID | use ID]`: which there are, and which is used."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
from collections.abc import Sequence

from midfill_lsp.cli import list_models, serve
from midfill_lsp.cli import options as engine_options
from midfill_lsp.cli.catalogue import ANNOUNCED, INFILL, CatalogueModel
from midfill_lsp.cli.machine import Gpu, Machine, look
from midfill_lsp.cli.main import UsageError
from midfill_lsp.cli.recommend import FORECAST_ERROR, PROMPT_TOKENS, Fit, rank
from midfill_lsp.cli.terminal import say
from midfill_lsp.cli.use_model import use
from midfill_lsp.config import EngineConfig
from midfill_lsp.errors import ConfigError

_GB = 1e9


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
        raise UsageError(f"midfill models {options.action} takes {needed}")
    if options.action == "pull":
        return serve.hand_over("pull", [options.id])
    if options.action == "use":
        config = engine_options.read_config(options)
        if config.backend.kind != "engine":
            raise ConfigError(f"backend.kind is {config.backend.kind}: set backend.model instead")
        return _use(config.engine, options.id)
    if options.action == "recommend":
        own = engine_options.read_config(options).engine.command
        return recommend(serve.command("measure", [], own))
    return list_models.run(options)


def _use(config: EngineConfig, source: str) -> int:
    """Change the engine's model; what is not here is downloaded first, with its progress shown."""
    if config.url is None and "/" in source and source in {m.model_id for m in _known()}:
        done = subprocess.call(serve.command("pull", [source]), stdout=subprocess.DEVNULL)
        if done != 0:
            return done
    asyncio.run(use(config, source, say))
    return 0


def recommend(measure: Sequence[str]) -> int:
    """Print what suits this machine.

    Args:
        measure: the engine's command line that measures.
    """
    machine = look(measure)
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
    """What was found and measured, and how far the forecasts below may be off."""
    memory = "unknown" if machine.memory_bytes is None else f"{machine.memory_bytes / _GB:.1f} GB"
    gpu = "no NVIDIA GPU" if machine.gpu is None else _gpu(machine.gpu)
    if machine.idle_gpu is not None:
        gpu = (
            f"{_gpu(machine.idle_gpu)}, which the engine cannot use: install a build of torch for "
            'CUDA (pip install "midfill[torch]"), and see midfill doctor'
        )
    lines = [f"free memory {memory}; {gpu}"]
    lines += [f"not measured on {failure}" for failure in machine.failures]
    lines += [
        f"measured on {device}: {speed.dtype} weights read at {speed.bytes_per_s / _GB:.0f} GB/s, "
        f"{speed.layer_s * 1e6:.0f} us a layer besides ({speed.kernels}"
        f"{f', {machine.num_threads} threads' if device == 'cpu' else ''})"
        for device, speed in machine.speeds.items()
    ]
    if machine.speeds:
        worst = max(FORECAST_ERROR, *(speed.error for speed in machine.speeds.values()))
        lines.append(
            f"times below are foretold from steps over random layers, timed for "
            f"{machine.measured_s:.1f} s: expect {worst:.0%} more or less"
        )
    return "\n".join(lines) + "\n"


def _gpu(gpu: Gpu) -> str:
    return f"{gpu.name}, {gpu.memory_bytes / _GB:.0f} GB"


def _line(fit: Fit) -> str:
    speed = ""
    if fit.ms_per_token is not None and fit.prompt_s is not None:
        speed = (
            f", about {fit.ms_per_token:.0f} ms a token, {fit.prompt_s:.1f} s for a new prompt "
            f"of {PROMPT_TOKENS}"
        )
    verdict = "fine" if fit.obstacle is None else fit.obstacle
    return (
        f"{fit.model.model_id:43} {verdict:29} {fit.needs_bytes / _GB:5.1f} GB on {fit.device}"
        f"{speed}"
    )
