"""Compiles the library in `cpu/` with the machine's own C++ compiler. Knows no torch.

    python -m midfill_engine.kernels.build      into the user's cache, as `make` does

Called by `store` on first use and by the package's build hook. One object per instruction set,
each with its own flags; a set whose flags the compiler does not know is left out.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

SOURCES = Path(__file__).resolve().parent / "cpu"
WINDOWS_NAME = "midfill_cpu.dll"
LIBRARY_NAME = WINDOWS_NAME if sys.platform == "win32" else "libmidfill_cpu.so"
RECORD_NAME = "built.txt"
"""What lies beside a built library: its SHA-256 on the first line, then who compiled it, then a
line for each instruction set that was left out."""

LEFT_OUT = "left out: "
"""How a line of the record begins that names such a set."""

_COMMON = (
    "-O3",
    "-std=c++17",
    "-fPIC",
    "-pthread",
    "-fvisibility=hidden",
    "-fno-math-errno",
    # Products and sums are fused where the code says so and nowhere else, so that a row's result
    # does not depend on how the compiler arranged the tile that it is computed in.
    "-ffp-contract=off",
)
_AVX2 = ("-mavx2", "-mfma", "-mf16c")
_AVX512 = (*_AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl")
_VNNI = (*_AVX512, "-mavx512vnni", "-mprefer-vector-width=512")
_FLAGS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "x86_64": {
        "amx": (*_VNNI, "-mamx-tile", "-mamx-int8"),
        "avx512vnni": _VNNI,
        "avx512": (*_AVX512, "-mprefer-vector-width=512"),
        "avxvnni": (*_AVX2, "-mavxvnni"),
        "avx2": _AVX2,
    },
    "aarch64": {
        "neondot": ("-DMF_NEON", "-DMF_DOT", "-march=armv8.2-a+dotprod"),
        "neon": ("-DMF_NEON",),
    },
}
"""By machine, the instruction sets beside the portable one, best first, and flags of each."""
_NAMES = {"amd64": "x86_64", "arm64": "aarch64"}
_ZIG = (sys.executable, "-m", "ziglang", "c++")
"""Clang as PyPI's `ziglang` brings it, for any machine; its words for them are its own."""
_ZIG_SPELLINGS = {"-march=armv8.2-a+dotprod": "-mcpu=baseline+dotprod"}
_SHARED = ("pool", "ahead")
"""Sources without vectors, compiled once."""
_TIMEOUT_S = 300.0  # a compiler that hangs must not keep the engine from starting
SCRATCH = "midfill-build-"
"""How the name of a folder begins that a build works in, beside what it makes."""


class BuildError(Exception):
    """The library cannot be built; `str(error)` is one line that says why."""


class UnusableFolder(BuildError):
    """What is built cannot be written where it is to lie."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C++ compiler: the words that call it, its version, and the machine it compiles for."""

    command: tuple[str, ...]
    version: str
    machine: str = platform.machine()

    @property
    def sets(self) -> Mapping[str, tuple[str, ...]]:
        """The instruction sets of its machine, best first, and the flags of each."""
        sets = _sets(self.machine)
        if self.command[: len(_ZIG)] != _ZIG:
            return sets
        return {
            name: tuple(_ZIG_SPELLINGS.get(flag, flag) for flag in flags)
            for name, flags in sets.items()
        }

    @classmethod
    def find(cls) -> Compiler:
        """Returns the one that CXX names, else c++, g++ or clang++, else Zig's.

        Raises:
            BuildError: there is none, or it does not answer.
        """
        command = shlex.split(os.environ.get("CXX", "")) or _found()
        if not command:
            raise BuildError(
                "there is no C++ compiler (pip install ziglang brings one; "
                "c++, g++, clang++ and what CXX names are taken too)"
            )
        return cls(tuple(command), _version(command))

    @classmethod
    def cross(cls, target: str, machine: str) -> Compiler:
        """Returns Zig's for another machine.

        Args:
            target: its name for it, as aarch64-macos.
            machine: the kind of machine, as `platform.machine` tells it there.

        Raises:
            BuildError: it does not run.
        """
        command = (*_ZIG, "-target", target, "-mcpu=baseline")
        return cls(command, _version(command), machine)


def _sets(machine: str) -> Mapping[str, tuple[str, ...]]:
    machine = machine.lower()
    return _FLAGS.get(_NAMES.get(machine, machine), {})


def _version(command: Sequence[str]) -> str:
    try:
        told = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"the compiler {command[0]} does not run ({error})") from None
    return told.stdout


def _found() -> Sequence[str]:
    """Returns the words that call a compiler of this machine, none where there is none.

    On Windows none but Zig's: GCC before 2026 does not align the stack for AVX there (its bug
    54412), and Clang wants Microsoft's tools.
    """
    windows = sys.platform == "win32"
    named = [] if windows else [n for n in ("c++", "g++", "clang++") if shutil.which(n)]
    if named or importlib.util.find_spec("ziglang") is None:
        return named[:1]
    return (*_ZIG, *(("-target", "native-windows-gnu") if windows else ()), "-mcpu=baseline")


def build_key(machine: str = platform.machine()) -> str:
    """Returns a name for what a machine makes of the sources as they are.

    Systems that share a home have other C libraries, and a library for each. The compiler is no
    part of it: a program that an editor starts may find none where a shell did, and is to find
    what that one built.
    """
    digest = hashlib.sha256()
    parts = [sys.platform, *platform.libc_ver(), machine, *_COMMON, str(_sets(machine))]
    digest.update("\0".join(parts).encode())
    for source in sorted(SOURCES.iterdir()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def build(compiler: Compiler, folder: Path) -> Path:
    """Compiles and links into `folder`; returns the library's path.

    It comes there whole, even if the power fails meanwhile, and its record after it.

    Raises:
        UnusableFolder: the file system refuses.
        BuildError: the compiler does.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=SCRATCH) as scratch:
            linked, refused = _compile(compiler, Path(scratch))
            left_out = [f"{LEFT_OUT}{name}: {message}" for name, message in refused.items()]
            for line in left_out:
                logger.warning("the native kernels: %s", line)
            words = (file_digest(linked), shlex.join(compiler.command), compiler.version)
            record = Path(scratch) / RECORD_NAME
            record.write_text("\n".join((*words, *left_out)), encoding="utf-8")
            for made, name in ((linked, LIBRARY_NAME), (record, RECORD_NAME)):
                _flush(made, os.O_RDWR)
                os.replace(made, folder / name)
        with contextlib.suppress(OSError):  # Windows opens no folder
            _flush(folder, os.O_RDONLY)
        return folder / LIBRARY_NAME
    except OSError as error:
        raise UnusableFolder(f"{folder} cannot be written ({error})") from None


def file_digest(path: Path) -> str:
    """Returns the SHA-256 of a file, as a record has it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _flush(path: Path, flags: int) -> None:
    """Returns once the disk has a file or a folder."""
    opened = os.open(path, flags)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _compile(compiler: Compiler, scratch: Path) -> tuple[Path, dict[str, str]]:
    """Compiles the instruction sets side by side.

    Returns:
        The linked library in `scratch`, and those that it lacks with what the compiler said.
    """
    jobs = {
        name: _start(compiler, "step.cpp", scratch / f"{name}.o", (f"-DMF_STEP=step_{name}", *more))
        for name, more in {"portable": (), **compiler.sets}.items()
    }
    for name in _SHARED:
        jobs[name] = _start(compiler, f"{name}.cpp", scratch / f"{name}.o", ())
    refused = {name: message for name, job in jobs.items() if (message := _failure(job))}
    for name in ("portable", *_SHARED):
        if name in refused:
            raise BuildError(f"{compiler.command[0]} fails on {name}: {refused[name]}")
    there = [name for name in compiler.sets if name not in refused]
    defines = ["-DMF_SETS=" + " ".join(f"MF_SET({name})" for name in there)]
    objects = [scratch / f"{name}.o" for name in (*there, "portable", *_SHARED, "engine")]
    linked = scratch / "linked"
    _finish(_start(compiler, "engine.cpp", scratch / "engine.o", defines), compiler)
    _finish(
        _run([*compiler.command, "-shared", "-pthread", *map(str, objects), "-o", str(linked)]),
        compiler,
    )
    if not linked.is_file():
        raise BuildError(f"{compiler.command[0]} reports no error and writes nothing")
    return linked, refused


def _start(
    compiler: Compiler, source: str, target: Path, more: Sequence[str]
) -> subprocess.Popen[str]:
    return _run(
        [*compiler.command, *_COMMON, *more, "-c", str(SOURCES / source), "-o", str(target)]
    )


def _run(command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def _failure(job: subprocess.Popen[str]) -> str | None:
    """Waits; returns the first line of what went wrong, or None."""
    try:
        message = job.communicate(timeout=_TIMEOUT_S)[1]
    except subprocess.TimeoutExpired:
        job.kill()
        message = job.communicate()[1] or f"not done after {_TIMEOUT_S:.0f} s"
    if job.returncode == 0:
        return None
    lines = [line for line in message.splitlines() if "error" in line] or message.splitlines()
    return lines[0][:300] if lines else f"status {job.returncode}"


def _finish(job: subprocess.Popen[str], compiler: Compiler) -> None:
    message = _failure(job)
    if message is not None:
        raise BuildError(f"{compiler.command[0]} fails: {message}")


if __name__ == "__main__":
    # Under its own name: here this file is `__main__`, with a BuildError that nobody raises.
    from midfill_engine.kernels import build as itself
    from midfill_engine.kernels.store import ensure_built

    try:
        sys.stdout.write(f"{ensure_built()}\n")
    except itself.BuildError as reason:
        sys.exit(f"native kernels cannot be built: {reason}; the engine needs torch")
