"""Packages read from folders: npm's layout, sizes per package, unreadable files."""

import json
from collections import Counter
from pathlib import Path

import pytest
from training import npm
from training.errors import TrainingError
from training.sources import Package, check_roots, npm_packages, read, read_some

CODE = "".join(f"export function step{i}(state) {{ return state + {i}; }}\n" for i in range(20))
PYTHON = "".join(f"def step_{i}(state):\n    return state + {i}\n\n" for i in range(20))


def add(folder: Path, description: object, files: dict[str, str]) -> None:
    """Lays out one npm package in ``folder``."""
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps(description))
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def test_npm_packages_are_read_with_scopes_and_without_what_they_bundle(tmp_path: Path) -> None:
    modules = tmp_path / "node_modules"
    add(modules / "plain", {"version": "1.2.0", "license": "MIT"}, {"lib/a.js": CODE, "a.map": ""})
    add(modules / "@scope/kit", {"version": "0.1.0", "license": "GPL-3.0"}, {"a.ts": CODE})
    add(modules / "plain/node_modules/inner", {"version": "9.0"}, {"b.js": CODE})
    add(modules / ".cache/x", {"version": "9.0"}, {})
    found = list(npm_packages([tmp_path]))
    assert [(p.name, p.version, p.licence) for p in found] == [
        ("npm:@scope/kit", "0.1.0", None),
        ("npm:plain", "1.2.0", "MIT"),
    ]
    assert [path for path, _ in found[1].files] == ["plain/package.json", "plain/lib/a.js"]


def test_folders_that_are_no_packages_are_passed_over(tmp_path: Path) -> None:
    modules = tmp_path / "node_modules"
    add(modules / "list", ["not", "an", "object"], {})
    (modules / "empty").mkdir()
    (modules / "broken").mkdir()
    (modules / "broken/package.json").write_text("{")
    assert list(npm.modules(tmp_path)) == []
    assert list(npm.modules(tmp_path / "nowhere")) == []


def package(folder: Path, files: dict[str, bytes]) -> Package:
    """Returns a package of the given files, which are written into ``folder``."""
    for path, content in files.items():
        (folder / path).write_bytes(content)
    return Package("p", "1.0", "MIT", tuple((f"p/{path}", folder / path) for path in files))


def test_a_package_gives_no_more_than_its_share_and_the_seed_says_what(tmp_path: Path) -> None:
    big = package(tmp_path, {f"{i}.py": PYTHON.encode() for i in range(10)})
    dropped: Counter[str] = Counter()
    kept = read_some(big, 2 * len(PYTHON), 0, dropped, seed=1)
    assert len(kept) == 3
    assert dropped == {"package full": 7}
    assert kept == read_some(big, 2 * len(PYTHON), 0, Counter(), seed=1)
    assert kept != read_some(big, 2 * len(PYTHON), 0, Counter(), seed=2)


def test_declarations_have_a_smaller_share_than_code(tmp_path: Path) -> None:
    names = [*(f"{i}.d.ts" for i in range(5)), *(f"{i}.ts" for i in range(5))]
    mixed = package(tmp_path, {name: CODE.encode() for name in names})
    kept = read_some(mixed, 1_000_000, len(CODE), Counter(), seed=0)
    assert sum(file.path.endswith(".d.ts") for file in kept) == 2
    assert sum(not file.path.endswith(".d.ts") for file in kept) == 5


MARKED = """# Copyright 2026 The authors. All rights reserved.
# This file was automatically generated from modular_step.py. Do NOT edit it.
"""


def test_the_mark_of_a_generated_file_may_stand_in_the_licence_header(tmp_path: Path) -> None:
    """The header was cut first, so all generated models of transformers were trained on."""
    dropped: Counter[str] = Counter()
    files = {"a.py": (MARKED + PYTHON).encode(), "b.py": PYTHON.encode()}
    assert [file.path for file in read(package(tmp_path, files), dropped)] == ["p/b.py"]
    assert dropped == {"generated": 1}


@pytest.mark.parametrize(("name", "told"), [("typo", "is no folder"), ("", "holds no package")])
def test_a_root_without_packages_is_told(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(TrainingError, match=told):
        check_roots([tmp_path / name])


def test_roots_of_both_kinds_are_taken(tmp_path: Path) -> None:
    add(tmp_path / "npm/node_modules/plain", {"version": "1", "license": "MIT"}, {})
    (tmp_path / "py" / "plain-1.0.dist-info").mkdir(parents=True)
    (tmp_path / "py" / "plain-1.0.dist-info" / "METADATA").write_text("Name: plain\nVersion: 1\n")
    check_roots([tmp_path / "npm", tmp_path / "npm/node_modules", tmp_path / "py"])


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    odd = package(tmp_path, {"a.py": b"\xff\xfe", "b.py": PYTHON.encode(), "c.bin": b"x"})
    odd = Package("p", "1.0", "MIT", (*odd.files, ("p/gone.py", tmp_path / "gone.py")))
    dropped: Counter[str] = Counter()
    assert [file.path for file in read(odd, dropped)] == ["p/b.py"]
    assert dropped == {"unreadable": 2}
