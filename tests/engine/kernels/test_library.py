"""How the native library is found and built, and what is said when it cannot be."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from midfill_engine.kernels import build as building
from midfill_engine.kernels import library, store
from midfill_engine.kernels.build import (
    LEFT_OUT,
    LIBRARY_NAME,
    RECORD_NAME,
    BuildError,
    Compiler,
    build,
    build_key,
)
from midfill_engine.kernels.library import Library, LibraryError, load
from midfill_engine.kernels.store import ensure_built
from midfill_engine.model.native import open_library
from tests.engine.native_models import library_or_skip


def script(path: Path, text: str) -> str:
    """Writes a compiler made of Python; returns what CXX has to be."""
    path.write_text(text, encoding="utf-8")
    return f"{sys.executable} -I -S {path}"


def copier(folder: Path, linked: Path) -> str:
    """Makes a compiler that always links this file; returns what CXX has to be."""
    text = (
        "import shutil, sys\n"
        "if '--version' in sys.argv:\n    print('copier 1')\n"
        f"else:\n    shutil.copyfile({str(linked)!r}, sys.argv[-1])\n"
    )
    folder.mkdir(exist_ok=True)
    return script(folder / "copier.py", text)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fills a cache of its own with this machine's library; returns the copy there."""
    library_or_skip()
    whole = ensure_built()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", copier(tmp_path, whole))
    path = build(Compiler.find(), store.cache_folder())
    monkeypatch.setattr(library, "ensure_built", lambda: ensure_built([]))
    return path


def test_the_plainest_instruction_set_is_always_there() -> None:
    assert library_or_skip().instruction_sets()[-1] == "portable"


def test_the_library_is_there() -> None:
    """The other tests of the kernels skip without it, so this one fails: make brings a compiler."""
    found = open_library()
    assert isinstance(found, Library), found


def test_no_compiler_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    without_compilers(monkeypatch, tmp_path, zig=False)
    found = open_library()
    assert isinstance(found, str)
    assert found.startswith("there is no C++ compiler (pip install ziglang brings one")
    assert "\n" not in found


def without_compilers(monkeypatch: pytest.MonkeyPatch, empty: Path, *, zig: bool) -> None:
    """Hides the compilers of this machine, and `ziglang` or that it is not there."""
    found = object() if zig else None
    monkeypatch.setattr(importlib.util, "find_spec", {"ziglang": found}.get)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(empty))


@pytest.mark.parametrize(
    ("platform", "words"),
    [
        ("linux", ["-mcpu=baseline"]),
        ("win32", ["-target", "native-windows-gnu", "-mcpu=baseline"]),
    ],
)
def test_zig_compiles_where_nothing_else_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, words: list[str]
) -> None:
    without_compilers(monkeypatch, tmp_path, zig=True)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(building, "_version", lambda command: " ".join(command[1:]))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    compiler = Compiler.find()
    assert compiler.version == " ".join(["-m", "ziglang", "c++", *words])
    assert not any("-march" in flag for flags in compiler.sets.values() for flag in flags)


def test_a_compiler_that_does_not_run_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", str(tmp_path / "absent"))
    with pytest.raises(BuildError, match="absent does not run"):
        ensure_built()


def test_a_compiler_that_fails_gives_its_first_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    text = "import sys\nif '--version' not in sys.argv:\n    sys.exit('note\\nerror: no headers')\n"
    monkeypatch.setenv("CXX", script(tmp_path / "cc.py", text))
    with pytest.raises(BuildError, match="fails on portable: error: no headers"):
        ensure_built()
    assert not list((tmp_path / "cache").rglob(LIBRARY_NAME))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BuildError, match="cannot be written"):
        build(Compiler(("c++",), "1"), tmp_path / "file" / "below")


def test_other_sources_and_machines_have_another_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = build_key("x86_64")
    assert build_key("x86_64") == key
    assert build_key("aarch64") != key
    (tmp_path / "step.cpp").write_text("int x;", encoding="utf-8")
    monkeypatch.setattr(building, "SOURCES", tmp_path)
    assert build_key("x86_64") != key


def test_what_was_built_needs_no_compiler_any_more(
    built: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An editor from the desktop has a shorter PATH than the shell that built the library."""
    without_compilers(monkeypatch, tmp_path / "empty", zig=False)
    assert ensure_built([]) == built
    assert load().instruction_sets()
    assert "copier 1" in (built.parent / RECORD_NAME).read_text(encoding="utf-8")


def test_what_is_left_out_is_left_out_for_its_flags() -> None:
    """A set that does not compile was gone without a word, and all tests passed without it."""
    library_or_skip()
    record = (store.cache_folder() / RECORD_NAME).read_text(encoding="utf-8")
    left_out = [line for line in record.splitlines() if line.startswith(LEFT_OUT)]
    assert [line for line in left_out if "unrecognized" not in line and "unknown" not in line] == []


def test_a_set_that_is_left_out_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = (
        "import pathlib, sys\n"
        "if '-mavxvnni' in sys.argv:\n    sys.exit('x.h:1: error: no such product')\n"
        "pathlib.Path(sys.argv[-1]).write_bytes(b'made')\n"
    )
    command = tuple(script(tmp_path / "compiler.py", text).split())
    made = build(Compiler(command, "1", "x86_64"), tmp_path / "out")
    told = f"{LEFT_OUT}avxvnni: x.h:1: error: no such product"
    assert told in (made.parent / RECORD_NAME).read_text(encoding="utf-8").splitlines()
    assert told in caplog.text


@pytest.mark.parametrize("damage", ["empty", "cut", "zeros", "no record"])
def test_a_damaged_copy_is_built_anew(built: Path, damage: str) -> None:
    """It was kept: no kernels any more, or, cut short, a bus error at every start."""
    whole = built.read_bytes()
    built.unlink()
    if damage == "no record":
        (built.parent / RECORD_NAME).unlink()
    kept = {"empty": b"", "cut": whole[: len(whole) // 2], "zeros": bytes(len(whole))}
    built.write_bytes(kept.get(damage, whole))
    assert load().instruction_sets()
    assert built.read_bytes() == whole
    assert store.is_whole(built.parent)


def test_a_copy_that_does_not_open_is_not_built_at_every_start(
    built: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As of a compiler whose libraries the system does not have."""
    whole = built.read_bytes()
    (tmp_path / "other").write_bytes(b"of another system")
    good = os.environ["CXX"]
    monkeypatch.setenv("CXX", copier(tmp_path / "elsewhere", tmp_path / "other"))
    build(Compiler.find(), built.parent)
    monkeypatch.setenv("CXX", good)
    for _ in range(2):
        with pytest.raises(LibraryError, match=r"cannot be opened.*; delete its folder to have"):
            load()
    shutil.rmtree(built.parent)
    assert load().instruction_sets()
    assert built.read_bytes() == whole


def test_another_c_library_has_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    key = build_key("x86_64")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.17"))
    assert build_key("x86_64") != key


def test_the_disk_has_a_library_before_its_name(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the name may stand for zeros once the power has failed."""
    inode = {"folder": built.parent.stat().st_ino}
    done: list[int | str] = []
    flush, replace = os.fsync, os.replace

    def flushed(opened: int) -> None:
        flush(opened)
        done.append(os.fstat(opened).st_ino)

    def replaced(source: Path, target: Path) -> None:
        inode[target.name] = source.stat().st_ino
        replace(source, target)
        done.append(target.name)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", replaced)
    build(Compiler.find(), built.parent)
    library_flushed, record_flushed = inode[LIBRARY_NAME], inode[RECORD_NAME]
    assert done == [
        library_flushed, LIBRARY_NAME, record_flushed, RECORD_NAME, inode["folder"],
    ]  # fmt: skip


def test_the_finished_library_beside_the_package_is_taken(tmp_path: Path) -> None:
    (tmp_path / LIBRARY_NAME).write_bytes(b"not a library")
    path = ensure_built([tmp_path])
    assert path == tmp_path / LIBRARY_NAME
    with pytest.raises(LibraryError, match="cannot be opened"):
        Library(path)


def test_a_cache_that_cannot_be_written_is_told_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The remedy was a compiler, which was there."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("CXX", copier(tmp_path, tmp_path / "file"))
    monkeypatch.setattr(library, "ensure_built", lambda: ensure_built([]))
    with pytest.raises(LibraryError, match=r"cannot be written .*; set XDG_CACHE_HOME to a folder"):
        load()


def test_a_cache_that_nothing_runs_from_is_told_and_not_filled_again(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built.write_bytes(b"no library")
    monkeypatch.setattr(library, "ensure_built", lambda: built)
    monkeypatch.setattr(library, "runs_nothing", lambda path: path == built)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with pytest.raises(LibraryError, match=r"cannot be opened .*; set XDG_CACHE_HOME to a folder"):
        load()
    assert built.read_bytes() == b"no library"


def test_a_build_elsewhere_removes_nothing(built: Path, tmp_path: Path) -> None:
    """A wheel's is in a folder of /tmp, where others' may have such a name."""
    own = tmp_path / "work" / "midfill-build-0.1.0"
    own.mkdir(parents=True)
    os.utime(own, (0, 0))
    build(Compiler.find(), tmp_path / "wheel")
    assert own.exists()


def test_a_compiler_that_writes_nothing_is_told(tmp_path: Path) -> None:
    """It was told as a folder that cannot be written."""
    silent = Compiler(tuple(script(tmp_path / "silent.py", "").split()), "1")
    with pytest.raises(BuildError, match="reports no error and writes nothing"):
        build(silent, tmp_path / "out")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_what_runs_nothing_is_asked_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not store.runs_nothing(Path(sys.executable))
    told = SimpleNamespace(f_flag=os.ST_NOEXEC | os.ST_NOSUID)
    monkeypatch.setattr(os, "statvfs", {Path("there"): told}.get)
    assert store.runs_nothing(Path("there"))


def test_what_a_killed_build_left_is_swept_a_day_later(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each left some megabytes in the cache for good."""
    cache = built.parent.parent
    old, new, other = (
        cache / "an-older-key" / "midfill-build-abc",
        built.parent / "midfill-build-abc",
        cache / "an-older-key" / "tmpabc",
    )
    for folder in (old, new, other):
        folder.mkdir(parents=True)
        (folder / "step.o").write_text("", encoding="utf-8")
    for folder in (old, other):
        os.utime(folder, (0, 0))
    built.unlink()
    ensure_built([])
    assert [folder.exists() for folder in (old, new, other)] == [False, True, True]
