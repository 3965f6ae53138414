"""The held-out packages: pins, splits, missing ones, copies known by name."""

import json
import re
from pathlib import Path

import pytest
from training.heldout import (
    HELD_OUT,
    HERE,
    SPLITS,
    MissingPackageError,
    excluded,
    held_out_files,
    held_out_path,
    pinned,
)

CODE = "".join(f"export function step{i}(state) {{ return state + {i}; }}\n" for i in range(20))


def install_npm(root: Path, name: str, version: str, files: dict[str, str]) -> None:
    """Lays out a package as npm does."""
    folder = root / "node_modules" / name
    for path, text in {
        "package.json": json.dumps({"version": version, "license": "MIT"}),
        **files,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def install_python(root: Path, name: str, version: str, files: dict[str, str]) -> None:
    """Lays out a distribution as pip does."""
    info = root / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\nLicense-Expression: MIT\n")
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in files))
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def test_every_held_out_package_is_pinned_and_in_one_split() -> None:
    pins = pinned()
    assert pins["click"] == "8.5.1"
    assert not HELD_OUT["dev"].keys() & HELD_OUT["test"].keys()
    for split in SPLITS:
        assert any(name.startswith("npm:") for name in HELD_OUT[split])


def test_no_held_out_package_is_in_what_the_corpus_is_gathered_from() -> None:
    text = (HERE / "requirements-corpus.txt").read_text()
    assert not pinned().keys() & set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))
    wanted = json.loads((HERE / "npm-corpus" / "package.json").read_text())["dependencies"]
    assert not pinned().keys() & {f"npm:{name}" for name in wanted}


@pytest.mark.parametrize("folder", ["npm-corpus", "npm-heldout"])
def test_lock_files_are_exact_and_name_no_download_address(folder: str) -> None:
    lock = (HERE / folder / "package-lock.json").read_text()
    assert "://" not in lock
    packages = json.loads(lock)["packages"]
    wanted = json.loads((HERE / folder / "package.json").read_text())["dependencies"]
    assert {n: packages[f"node_modules/{n}"]["version"] for n in wanted} == wanted


def test_held_out_files_come_from_both_kinds_of_roots_in_a_fixed_order(tmp_path: Path) -> None:
    python = "".join(f"def convert_{i}(value):\n    return value\n\n" for i in range(20))
    files = {"jwt/b.py": python, "jwt/a.py": python, "jwt/tests/c.py": python}
    install_python(tmp_path / "site", "pyjwt", "2.0", files)
    install_npm(tmp_path / "js", "mobx", "7.0", {"src/z.ts": CODE, "dist/z.js": CODE})
    pins = {"pyjwt": "2.0", "npm:mobx": "7.0"}
    both = [tmp_path / "site", tmp_path / "js"]
    found = held_out_files("test", both, pins)
    assert [file.path for file in found] == ["mobx/src/z.ts", "jwt/a.py", "jwt/b.py"]
    assert [file.language for file in found] == ["typescript", "python", "python"]
    assert held_out_files("test", both[::-1], pins) == found
    assert held_out_files("test", [both[0], both[1] / "node_modules"], pins) == found
    assert held_out_files("dev", both, pins) == []


def test_the_pinned_version_is_taken_wherever_it_stands(tmp_path: Path) -> None:
    """Npm hoists an old express above the pinned one's folder: its files were not those."""
    for root, version in (("old", "6.0"), ("new", "7.0"), ("older", "5.0")):
        install_npm(tmp_path / root, "mobx", version, {"a.ts": CODE + f"// {version}\n"})
    roots = [tmp_path / "old", tmp_path / "new", tmp_path / "older"]
    (file,) = held_out_files("test", roots, {"npm:mobx": "7.0"})
    assert file.text.endswith("// 7.0\n")


def test_missing_and_wrong_packages_are_named_with_both_commands(tmp_path: Path) -> None:
    install_npm(tmp_path, "mobx", "6.0", {"a.ts": CODE})
    pins = {"npm:mobx": "7.0", "pyjwt": "2.0", "click": "8.0"}
    with pytest.raises(MissingPackageError) as caught:
        held_out_files("test", [tmp_path], pins)
    message = str(caught.value)
    assert "npm:mobx==7.0 (6.0)" in message
    assert "pyjwt==2.0 (absent)" in message
    assert "click" not in message
    assert "pip install --no-deps --target" in message
    assert "npm ci --ignore-scripts" in message


def test_copies_of_held_out_packages_are_known_by_name() -> None:
    assert held_out_path("pip/internal/requests/api.py")
    assert held_out_path("vendor/click.py")
    assert held_out_path("app/lib/rxjs/operators.js")
    assert not held_out_path("clicker/core.py")


def test_held_out_packages_and_their_forks_are_never_trained_on() -> None:
    for name in ("requests", "pypdf", "npm:rxjs", "quart", "cytoolz"):
        assert excluded(name)
    assert not excluded("rxjs")
    assert not excluded("django")
