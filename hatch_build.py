"""Puts the compiled kernels into a wheel where there is a compiler; a wheel without them is fine.

Run by hatchling. An editable install compiles on first use instead, or by
`python -m midfill_engine.kernels.build`, so that edited sources are never served by an old build.
"""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

KERNELS = "engine/midfill_engine/kernels"


class KernelsHook(BuildHookInterface):
    """Compiles before the wheel is packed."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the library and the platform's tag to a standard wheel."""
        if self.target_name != "wheel" or version == "editable":
            return
        build = _load(Path(self.root) / KERNELS / "build.py")
        self._folder = tempfile.TemporaryDirectory()
        try:
            path = build.build(build.Compiler.find(), Path(self._folder.name))
        except build.BuildError as error:
            self.app.display_warning(f"without native kernels: {error}")
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["force_include"][str(path)] = f"midfill_engine/kernels/{build.LIBRARY_NAME}"


def _load(path: Path) -> ModuleType:
    """Imports one file of the package, which itself is not installed yet."""
    spec = importlib.util.spec_from_file_location("midfill_kernels_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
