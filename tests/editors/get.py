"""Fetches editors for tests from Debian's packages, beside the system's own and without root.

    python tests/editors/get.py FOLDER

leaves FOLDER/nvim-new (Neovim of Debian unstable, 0.12 or later), FOLDER/nvim-old (of Debian 13,
0.10) and FOLDER/emacs (of Debian 13, 30). Each brings its own libraries, so it runs where the
system's are older. The mirror is the one that apt uses already. Called by make; needs Python alone.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# What packages depend on and no test runs: Emacs' compiler, service managers, sound.
_UNUSED = re.compile(
    r"binutils|lib(asan|tsan|ubsan|lsan|hwasan|itm|atomic|quadmath|gomp|isl|gprofng|ctf|sframe|cc1)"
    r"|lib.*-dev$|linux-libc-dev|rpcsvc|libbinutils|.*-(dbg|data|el)$|init-system-helpers"
)


class NoEditorError(Exception):
    """An editor could not be had; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Suite:
    """What is taken from one of Debian's suites: programs by the names they get here."""

    name: str
    packages: tuple[str, ...]
    programs: dict[str, str]


SUITES = (
    Suite("sid", ("neovim",), {"nvim-new": "nvim"}),
    Suite("trixie", ("neovim", "emacs-nox"), {"nvim-old": "nvim", "emacs": "emacs-nox"}),
)


def main(folder: Path) -> None:
    """Put every editor into `folder` and print what was found."""
    check_machine()
    mirror = find_mirror()
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        for found in pool.map(partial(take, mirror, folder.resolve()), SUITES):
            sys.stdout.write(f"{found}\n")


def take(mirror: str, folder: Path, suite: Suite) -> str:
    """Put one suite's editors into `folder` and return what they are."""
    root = folder / suite.name
    shutil.rmtree(root, ignore_errors=True)
    unpack(Apt(root / "apt", mirror, suite.name), suite.packages, root)
    for name, program in suite.programs.items():
        write_wrapper(folder / name, root, program)
    return "\n".join(f"{name}: {version(folder / name)}" for name in suite.programs)


def check_machine() -> None:
    """Make sure that the packages run here.

    Raises:
        NoEditorError: they do not.
    """
    for program in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(program) is None:
            raise NoEditorError(f"there is no {program}: this is no Debian machine")
    if not KEYRING.exists():
        raise NoEditorError(f"there is no {KEYRING}: this is no Debian machine")
    if platform.machine() != "x86_64":
        raise NoEditorError(f"this machine is {platform.machine()}, not x86_64")


def find_mirror() -> str:
    """Return the address of the archive that apt is configured for."""
    wanted = ("--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian")
    for address in run("apt-get", "indextargets", *wanted).split():
        if "security" not in address:
            return address
    raise NoEditorError("apt knows no Debian archive")


class Apt:
    """apt with an archive, lists and a cache of its own, where nothing is installed."""

    def __init__(self, folder: Path, mirror: str, suite: str) -> None:
        """Read what the suite holds."""
        for name in ("lists/partial", "cache/archives/partial", "packages"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "debian.sources").write_text(
            f"Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\nSigned-By: {KEYRING}\n"
        )
        self.folder = folder
        self._options = [
            f"-o{name}={value}"
            for name, value in {
                "Dir::Etc::sourcelist": folder / "debian.sources",
                "Dir::Etc::sourceparts": "/dev/null",
                "Dir::State::lists": folder / "lists",
                "Dir::State::status": folder / "status",
                "Dir::Cache": folder / "cache",
                "Acquire::Languages": "none",
                "Acquire::Retries": 3,
                "APT::Default-Release": "",
                "APT::Sandbox::User": "root",  # the folder is nobody else's
                "Debug::NoLocking": 1,
            }.items()
        ]
        self("update", "-qq")

    def __call__(self, *arguments: str) -> str:
        """Run apt-get and return what it prints."""
        return run("apt-get", *self._options, *arguments, cwd=self.folder / "packages")

    def download(self, packages: Sequence[str], unused: re.Pattern[str] = _UNUSED) -> list[Path]:
        """Download packages with all they depend on, save what no test runs."""
        plan = self("install", "--simulate", "--no-install-recommends", *packages)
        names = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
        self("download", "-qq", *(name for name in names if not unused.match(name)))
        return sorted((self.folder / "packages").glob("*.deb"))


def unpack(apt: Apt, packages: Sequence[str], root: Path) -> None:
    """Unpack programs, and patchelf, under `root`."""
    for package in apt.download([*packages, "patchelf"]):
        run("dpkg-deb", "-x", str(package), str(root))
    shutil.rmtree(apt.folder)


def write_wrapper(wrapper: Path, root: Path, program: str) -> None:
    """Have `program` use the libraries under `root`, and write the script that starts it."""
    libraries = root / "usr/lib/x86_64-linux-gnu"
    loader = (libraries / "ld-linux-x86-64.so.2").resolve()
    patchelf = (str(loader), "--library-path", str(libraries), str(root / "usr/bin/patchelf"))
    change = ("--set-interpreter", str(loader), "--force-rpath", "--set-rpath", str(libraries))
    run(*patchelf, *change, str(root / "usr/bin" / program))
    variables, options = places(root, program)
    lines = [f"export {name}='{value}'" for name, value in variables.items()]
    command = " ".join(f"'{part}'" for part in (root / "usr/bin" / program, *options))
    wrapper.write_text("\n".join(["#!/bin/sh", *lines, f'exec {command} "$@"', ""]))
    wrapper.chmod(0o755)


def places(root: Path, program: str) -> tuple[dict[str, Path], list[str]]:
    """Return variables and options that tell a program where its files are."""
    if program == "nvim":
        share = root / "usr/share/nvim"
        return {"VIM": share, "VIMRUNTIME": share / "runtime"}, []
    (share,) = root.glob("usr/share/emacs/[0-9]*")
    (image,) = root.glob("usr/libexec/emacs/*/*/*.pdmp")
    data = {name: share / "etc" for name in ("EMACSDATA", "EMACSDOC")}
    return {**data, "EMACSLOADPATH": share / "lisp"}, [f"--dump-file={image}"]


def version(program: Path) -> str:
    """Return the first line of what a program says about itself."""
    return run(str(program), "--version").partition("\n")[0]


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command and return what it prints.

    Raises:
        NoEditorError: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise NoEditorError(f"{Path(command[0]).name} failed: {last}")
    return done.stdout


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except NoEditorError as error:
        sys.exit(f"get.py: {error}")
