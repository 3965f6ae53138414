"""Where a document is, with and without folders that the editor has open."""

from __future__ import annotations

from pathlib import Path

import pytest

from midfill_lsp.context.workspace import Workspace, path_of


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home folder that is a link, as `/home` to `/var/home` or `/tmp` on macOS."""
    (tmp_path / "var/me").mkdir(parents=True)
    (tmp_path / "var/me/a.py").write_text("x = 1\n", "utf-8")
    (tmp_path / "elsewhere.py").write_text("x = 1\n", "utf-8")
    (tmp_path / "home").symlink_to(tmp_path / "var")
    return tmp_path / "home/me"


def test_a_single_file_below_a_link_is_inside(home: Path) -> None:
    place = Workspace().place(home / "a.py")
    assert place.inside
    assert (place.path, place.real) == (home / "a.py", home.resolve() / "a.py")
    assert Workspace().place(home / "not_there_yet.py").inside
    assert Workspace().place(place.real).inside


def test_a_single_file_that_is_a_link_is_outside(home: Path, tmp_path: Path) -> None:
    (home / "link.py").symlink_to(tmp_path / "elsewhere.py")
    (home / "alias.py").symlink_to(home / "a.py")
    (tmp_path / "var/sub").mkdir()
    (home / "same.py").symlink_to(tmp_path / "var/sub/same.py")
    for name in ("link.py", "alias.py", "same.py"):
        assert not Workspace().place(home / name).inside
        assert not Workspace().place(home.resolve() / name).inside


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///a/b.py", Path("/a/b.py")),
        ("file://localhost/a%20b.py", Path("/a b.py")),
        ("vscode-notebook-cell:/a.ipynb#c", Path("/a.ipynb")),
        ("file://server/a.py", None),
        ("file:a.py", None),
        ("untitled:Untitled-1", None),
        ("zipfile://[foo/bar.py", None),
        ("file://[foo/bar.py", None),
    ],
)
def test_the_path_of_a_uri(uri: str, path: Path | None) -> None:
    assert path_of(uri) == path
