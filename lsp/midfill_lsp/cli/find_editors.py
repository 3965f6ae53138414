"""Which editors are on this machine, and how to connect them. For `doctor`."""

from __future__ import annotations

import re
import shutil
import subprocess

from midfill_lsp.cli.finding import Finding

_TIMEOUT_S = 10.0
_VS_CODES = {"code": "VS Code", "codium": "VSCodium", "code-server": "code-server"}
_NATIVE_SINCE = (0, 12)

_VS_CODE_HINT = "install the Midfill extension (clients/vscode); it needs no settings"
_NATIVE_HINT = (
    "in init.lua: vim.lsp.config('midfill', {cmd = {'midfill', 'lsp'}}); "
    "vim.lsp.enable('midfill'); vim.lsp.inline_completion.enable()"
)
_OLD_HINT = "no native inline completion before 0.12: update it, or use the plugin (clients/nvim)"
_NONE_HINT = "any editor with LSP 3.18 inline completion works: its command is `midfill lsp`"


def find_editors() -> list[Finding]:
    """Return a finding for every editor, or one that says there is none."""
    found = [
        Finding(name, "ok", _first_line(program) or program, _VS_CODE_HINT)
        for program, name in _VS_CODES.items()
        if shutil.which(program)
    ]
    if shutil.which("nvim"):
        found.append(describe_neovim(_first_line("nvim")))
    return found or [Finding("editors", "missing", "no VS Code or Neovim on PATH", _NONE_HINT)]


def describe_neovim(version_line: str) -> Finding:
    """Return the finding for Neovim's first line of `--version`."""
    match = re.search(r"v(\d+)\.(\d+)", version_line)
    if match is None:
        return Finding("Neovim", "missing", "version unknown", _OLD_HINT)
    if (int(match[1]), int(match[2])) < _NATIVE_SINCE:
        return Finding("Neovim", "missing", version_line, _OLD_HINT)
    return Finding("Neovim", "ok", f"{version_line}, with native inline completion", _NATIVE_HINT)


def _first_line(program: str) -> str:
    path = shutil.which(program)
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
