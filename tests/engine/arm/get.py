"""Fetches a compiler for 64-bit ARM and its emulator from Debian's packages, without root.

    python -m tests.engine.arm.get FOLDER

leaves FOLDER/c++, which compiles for ARM, and FOLDER/run, which runs what it made. Both are of the
machine's own release, because the compiler uses the system's libraries. Called by make.
"""

from __future__ import annotations

import platform
import re
import shutil
import sys
from pathlib import Path

from tests.editors.get import Apt, NoEditorError, check_machine, find_mirror, run

_PACKAGES = ("g++-aarch64-linux-gnu", "qemu-user-static")
_UNUSED = re.compile(r"(?!.*(aarch64|arm64-cross|qemu))|lib(asan|tsan|ubsan|lsan|hwasan|itm|gomp)")
_COMPILER = """#!/bin/sh
export LD_LIBRARY_PATH='{root}/usr/lib/x86_64-linux-gnu'
exec '{compiler}' --sysroot='{root}' "$@"
"""
_EMULATOR = """#!/bin/sh
exec '{root}/usr/bin/qemu-aarch64-static' -L '{root}/usr/aarch64-linux-gnu' "$@"
"""


def main(folder: Path) -> None:
    """Puts both into `folder` and prints what was found."""
    check_machine()
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    if not release:
        raise NoEditorError("this machine does not tell its Debian release")
    root = folder.resolve() / "root"
    shutil.rmtree(root, ignore_errors=True)
    apt = Apt(root / "apt", find_mirror(), release)
    for package in apt.download(_PACKAGES, _UNUSED):
        run("dpkg-deb", "-x", str(package), str(root))
    shutil.rmtree(apt.folder)
    emulator = (root / "usr/bin/qemu-aarch64-static").resolve()
    for other in root.glob("usr/bin/qemu-*"):
        if other.resolve() != emulator:
            other.unlink()
    (compiler,) = root.glob("usr/bin/aarch64-linux-gnu-g++-[0-9]*")
    _write(folder / "c++", _COMPILER.format(root=root, compiler=compiler))
    _write(folder / "run", _EMULATOR.format(root=root))
    for program in ("c++", "run"):
        first = run(str(folder / program), "--version").partition("\n")[0]
        sys.stdout.write(f"{program}: {first}\n")


def _write(script: Path, text: str) -> None:
    script.write_text(text, encoding="utf-8")
    script.chmod(0o755)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except NoEditorError as error:
        sys.exit(f"get.py: {error}")
