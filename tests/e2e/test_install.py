"""A plain install is light: no torch, starlette or uvicorn, and the language server starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "starlette", "uvicorn", "transformers", "tokenizers", "safetensors", "numpy")


@pytest.mark.e2e
@pytest.mark.slow
def test_plain_install_brings_no_engine_packages(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("lsp", "engine"):
        shutil.copytree(
            ROOT / name,
            source / name,
            ignore=shutil.ignore_patterns("*.safetensors", "__pycache__"),
        )
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    constraints = str(ROOT / "constraints.txt")
    install = [str(python), "-m", "pip", "install", "--quiet", "-c", constraints, str(source)]
    subprocess.run(install, check=True, timeout=150)

    probe = (
        "import importlib.util, midfill_lsp.server\n"
        f"print([name for name in {HEAVY!r} if importlib.util.find_spec(name)])"
    )
    found = subprocess.run(
        [python, "-c", probe], check=True, capture_output=True, text=True, timeout=60
    )
    assert found.stdout.strip() == "[]"
    served = subprocess.run(
        [python, "-m", "midfill_lsp.cli", "serve"], capture_output=True, text=True, timeout=60
    )
    assert served.returncode != 0
    assert "midfill[engine]" in served.stderr
