"""Puts the compiled kernels into a wheel where there is a compiler; a wheel without them is fine.

Run by hatchling. With MIDFILL_WHEEL_PLATFORM the wheel is for that platform, one of PLATFORMS, and
Zig compiles its kernels; `make wheels` makes all of them. An editable install compiles on first use
instead, or by `python -m midfill_engine.kernels.build`, so that edited sources are never served by
an old build.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

KERNELS = "engine/midfill_engine/kernels"
PLATFORMS = {
    "manylinux_2_28_x86_64": ("x86_64-linux-gnu.2.28", "x86_64"),
    "manylinux_2_28_aarch64": ("aarch64-linux-gnu.2.28", "aarch64"),
    "macosx_11_0_x86_64": ("x86_64-macos.11.0", "x86_64"),
    "macosx_11_0_arm64": ("aarch64-macos.11.0", "aarch64"),
    "win_amd64": ("x86_64-windows-gnu", "x86_64"),
    "win_arm64": ("aarch64-windows-gnu", "aarch64"),
}
"""A wheel's platform; Zig's name for it, and its kind of machine."""


class KernelsHook(BuildHookInterface[Any]):
    """Compiles before the wheel is packed."""

    PLUGIN_NAME = "custom"
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the library and the platform's tag to a standard wheel."""
        if self.target_name != "wheel" or version == "editable":
            return
        wanted = os.environ.get("MIDFILL_WHEEL_PLATFORM")
        if wanted is not None and wanted not in PLATFORMS:
            names = ", ".join(PLATFORMS)
            raise ValueError(f"MIDFILL_WHEEL_PLATFORM is {wanted!r}; it can be {names}")
        build = _load(Path(self.root) / KERNELS / "build.py")
        self._folder = tempfile.TemporaryDirectory()
        try:
            compiler = build.Compiler.cross(*PLATFORMS[wanted]) if wanted else build.Compiler.find()
            path = build.build(compiler, Path(self._folder.name))
        except build.BuildError as error:
            if wanted:
                raise
            self.app.display_warning(f"without native kernels: {error}")
            return
        name = build.WINDOWS_NAME if wanted and wanted.startswith("win") else build.LIBRARY_NAME
        platform = wanted or sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["force_include"][str(path)] = f"midfill_engine/kernels/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Removes what was compiled, which the wheel has."""
        if self._folder is not None:
            self._folder.cleanup()


def _load(path: Path) -> ModuleType:
    """Imports one file of the package, which itself is not installed yet."""
    spec = importlib.util.spec_from_file_location("midfill_kernels_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
