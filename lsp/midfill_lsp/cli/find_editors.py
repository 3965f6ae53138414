"""Which editors are on this machine, and how to connect them. For `doctor`."""

from __future__ import annotations

import json
import re
import shlex
import subprocess

from midfill_lsp.cli.finding import Finding
from midfill_lsp.cli.program import language_server
from midfill_lsp.programs import find_program

_TIMEOUT_S = 10.0
_VS_CODES = {"code": "VS Code", "codium": "VSCodium", "code-server": "code-server"}
_NATIVE_SINCE = (0, 12)

_OLD_HINT = "no native inline completion before 0.12: update it, or use the plugin (clients/nvim)"


def find_editors() -> list[Finding]:
    """Return a finding for every editor, or one that says there is none."""
    found = [
        Finding(name, "ok", _first_line(program) or program, _vs_code_hint())
        for program, name in _VS_CODES.items()
        if find_program(program)
    ]
    if find_program("nvim"):
        found.append(describe_neovim(_first_line("nvim")))
    start = shlex.join(language_server())
    hint = f"any editor with LSP 3.18 inline completion works: its command is `{start}`"
    return found or [Finding("editors", "missing", "no VS Code or Neovim on PATH", hint)]


def describe_neovim(version_line: str) -> Finding:
    """Return the finding for Neovim's first line of `--version`."""
    match = re.search(r"v(\d+)\.(\d+)", version_line)
    if match is None:
        return Finding("Neovim", "missing", "version unknown", _OLD_HINT)
    if (int(match[1]), int(match[2])) < _NATIVE_SINCE:
        return Finding("Neovim", "missing", version_line, _OLD_HINT)
    return Finding("Neovim", "ok", f"{version_line}, with native inline completion", _lua_hint())


def _vs_code_hint() -> str:
    start, *arguments = language_server()
    hint = "install the Midfill extension (clients/vscode)"
    if start == "midfill" or arguments != ["lsp"]:
        return f"{hint}; it needs no settings"
    return f"{hint}, and set midfill.server.path to {start}"


def _lua_hint() -> str:
    cmd = ", ".join(json.dumps(part, ensure_ascii=False) for part in language_server())
    return (
        f"in init.lua: vim.lsp.config('midfill', {{cmd = {{{cmd}}}, root_markers = {{'.git'}}}}); "
        "vim.lsp.enable('midfill'); vim.lsp.inline_completion.enable()"
    )


def _first_line(program: str) -> str:
    path = find_program(program)
    if path is None:
        return ""
    try:
        done = subprocess.run(
            [path, "--version"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = done.stdout.strip().splitlines()
    return lines[0] if lines else ""
