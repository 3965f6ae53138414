"""What is installed and set on this machine, without importing or starting it. For `doctor`."""

from __future__ import annotations

import os
import platform
import shlex
import stat
import sys
from importlib import metadata
from pathlib import Path

from midfill_lsp.backend.tokens import find_hub_token, hub_token_path
from midfill_lsp.cli.finding import Finding
from midfill_lsp.cli.program import language_server
from midfill_lsp.engine_process import command, state
from midfill_lsp.errors import AccessDenied, EngineStartError
from midfill_lsp.programs import find_program


def find_installed(*, is_engine_needed: bool) -> list[Finding]:
    """Return findings about versions, the engine's packages, the token and the state folder."""
    return [
        _midfill(),
        Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}"),
        _engine_extra(is_engine_needed),
        _torch(),
        _token(),
        _state_dir(),
    ]


def _midfill() -> Finding:
    """Return whether an editor that starts `midfill` finds it."""
    if path := find_program("midfill"):
        return Finding("midfill", "ok", f"{command.version()} ({path})")
    start, *arguments = language_server()
    remedy = f"give editors the command `{shlex.join([start, *arguments])}`"
    if arguments == ["lsp"]:  # else it is a module of the interpreter
        remedy = f"add {Path(start).parent} to PATH, or {remedy}"
    found = f"{command.version()}, but not on PATH: editors cannot start it by its name"
    return Finding("midfill", "missing", found, remedy)


def _engine_extra(is_needed: bool) -> Finding:
    missing = command.missing_modules()
    if not missing:
        return Finding("engine extra", "ok", "installed")
    return Finding(
        "engine extra",
        "broken" if is_needed else "missing",
        f"not installed: {', '.join(missing)}",
        'run pip install "midfill[engine]", or give the URL of a running engine',
    )


def _torch() -> Finding:
    try:
        return Finding("torch", "ok", metadata.version("torch"))
    except metadata.PackageNotFoundError:
        return Finding(
            "torch",
            "ok",
            "not installed; GPUs need it, and what the CPU kernels cannot run "
            '(pip install "midfill[torch]")',
        )


def _token() -> Finding:
    """Return whether there is a Hugging Face token and where; never what it is."""
    try:
        token = find_hub_token(os.environ)
    except AccessDenied as error:
        return Finding("token", "missing", str(error), "make it readable, or run hf auth login")
    if token is not None:
        return Finding("token", "ok", f"present in {token.origin}")
    return Finding(
        "token",
        "missing",
        f"none in HF_TOKEN or {hub_token_path(os.environ)}",
        "only gated or private models on the Hub need one: set HF_TOKEN, or run hf auth login",
    )


def _state_dir() -> Finding:
    try:
        folder = state.ensure_dir()
    except EngineStartError as error:
        return Finding("state folder", "broken", str(error), f"set {state.DIR_VARIABLE}")
    mode = "" if sys.platform == "win32" else f" (mode {stat.S_IMODE(folder.stat().st_mode):04o})"
    return Finding("state folder", "ok", f"{folder}{mode}")
