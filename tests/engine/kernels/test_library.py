"""How the native library is found and built, and what is said when it cannot be."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from midfill_engine.kernels import build as building
from midfill_engine.kernels.build import LIBRARY_NAME, BuildError, Compiler, build, build_key
from midfill_engine.kernels.library import Library, LibraryError, ensure_built
from midfill_engine.model.native import open_library
from tests.engine.native_models import library_or_skip


def script(path: Path, text: str) -> str:
    """Writes a compiler made of Python; returns what CXX has to be."""
    path.write_text(text, encoding="utf-8")
    return f"{sys.executable} {path}"


def test_the_plainest_instruction_set_is_always_there() -> None:
    assert library_or_skip().instruction_sets()[-1] == "portable"


def test_the_library_is_there() -> None:
    """The other tests of the kernels skip without it, so this one fails: make brings a compiler."""
    found = open_library()
    assert isinstance(found, Library), found


def test_no_compiler_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
    monkeypatch.setenv("CXX", str(tmp_path / "absent"))
    with pytest.raises(LibraryError, match="absent does not run"):
        ensure_built()


def test_a_compiler_that_fails_gives_its_first_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    text = "import sys\nif '--version' not in sys.argv:\n    sys.exit('note\\nerror: no headers')\n"
    monkeypatch.setenv("CXX", script(tmp_path / "cc.py", text))
    with pytest.raises(LibraryError, match="fails on portable: error: no headers"):
        ensure_built()
    assert not list((tmp_path / "cache").rglob(LIBRARY_NAME))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BuildError, match="cannot be written"):
        build(Compiler(("c++",), "1"), tmp_path / "file" / "below")


def test_other_sources_have_another_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiler = Compiler(("c++",), "1")
    key = build_key(compiler)
    assert build_key(compiler) == key
    assert build_key(Compiler(("c++",), "2")) != key
    (tmp_path / "step.cpp").write_text("int x;", encoding="utf-8")
    monkeypatch.setattr(building, "SOURCES", tmp_path)
    assert build_key(compiler) != key


def test_the_finished_library_beside_the_package_is_taken(tmp_path: Path) -> None:
    (tmp_path / LIBRARY_NAME).write_bytes(b"not a library")
    path = ensure_built([tmp_path])
    assert path == tmp_path / LIBRARY_NAME
    with pytest.raises(LibraryError, match="cannot be opened"):
        Library(path)
