"""The corpus as a whole: hold-out, duplicates, budgets, the manifest."""

import json
from pathlib import Path

import pytest
from training import corpus
from training.corpus import SourceFile, build, read_lines, within_budget
from training.heldout import MissingPackageError
from training.manifest import Manifest

GOOD = "".join(f"def function_{i}(value):\n    return value + {i}\n\n\n" for i in range(20))


def install(root: Path, name: str, files: dict[str, str], licence: str = "MIT") -> None:
    """Lays out a distribution as an installer does."""
    info = root / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    meta = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\nLicense-Expression: {licence}\n"
    (info / "METADATA").write_text(meta)
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in files))
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


PINS = {"requests": "1.0"}
HELD = "".join(f"def get_{i}_from_session(url):\n    pass\n\n\n" for i in range(20))
OTHER = GOOD.replace("value", "number")


def test_build_holds_out_whole_packages_and_their_copies(tmp_path: Path) -> None:
    install(tmp_path, "requests", {"requests/api.py": HELD})
    install(tmp_path, "good", {"good/a.py": GOOD, "good/b.py": GOOD + "\n", "good/c.py": OTHER})
    install(tmp_path, "copier", {"copier/net.py": HELD + "import os\n", "copier/rich/x.py": OTHER})
    install(tmp_path, "closed", {"closed/a.py": OTHER + "x = 2\n"}, licence="GPL-3.0-only")
    install(tmp_path, "quart", {"quart/app.py": OTHER.replace("number", "route")})
    manifest = build([tmp_path], None, tmp_path / "out", pins=PINS)

    kept = read_lines(tmp_path / "out" / "train.jsonl")
    assert sorted(file.path for file in kept) in (
        ["good/a.py", "good/c.py"],
        ["good/b.py", "good/c.py"],
    )
    assert manifest.dropped == {"held-out lines": 1, "held-out name": 1, "duplicate": 1}
    assert manifest.refused == {"closed": "licence"}
    assert [file.path for file in read_lines(tmp_path / "out" / "dev.jsonl")] == ["requests/api.py"]
    assert read_lines(tmp_path / "out" / "test.jsonl") == []


def test_build_refuses_to_run_without_a_held_out_package(tmp_path: Path) -> None:
    """Copies of its files could not be told from others."""
    install(tmp_path, "good", {"good/a.py": GOOD})
    with pytest.raises(MissingPackageError, match=r"requests==1\.0 \(absent\)"):
        build([tmp_path], None, tmp_path / "out", pins=PINS)


def test_a_header_copied_from_a_held_out_npm_package_is_dropped(tmp_path: Path) -> None:
    """Held-out lines count in every language, whoever ships them."""
    held = "".join(f"export function observe{i}(target, key) {{}}\n" for i in range(20))
    own = "".join(f"export function render{i}(element, root) {{}}\n" for i in range(20))
    for name, files in {"mobx": {"src/a.ts": held}, "own": {"a.js": own, "b.js": held}}.items():
        folder = tmp_path / "node_modules" / name
        (folder / "src").mkdir(parents=True)
        (folder / "package.json").write_text('{"version": "1.0", "license": "MIT"}')
        for path, text in files.items():
            (folder / path).write_text(text)
    manifest = build([tmp_path], None, tmp_path / "out", pins={"npm:mobx": "1.0"})

    kept = read_lines(tmp_path / "out" / "train.jsonl")
    assert [(file.package, file.path, file.language) for file in kept] == [
        ("npm:own", "own/a.js", "javascript")
    ]
    assert manifest.dropped["held-out lines"] == 1
    assert manifest.held_out["test"]["npm:mobx"].languages == {"typescript": len(held)}


def test_the_same_roots_give_the_same_corpus_however_many_workers(tmp_path: Path) -> None:
    install(tmp_path, "requests", {"requests/api.py": HELD})
    for name in "abcde":
        text = GOOD.replace("value", f"value_of_{name}").replace("function", f"function_{name}")
        install(tmp_path, name, {f"{name}/{i}.py": text.replace("+", "+-*/%"[i]) for i in range(5)})
    for num_workers in (1, 2):
        build([tmp_path], None, tmp_path / str(num_workers), pins=PINS, num_workers=num_workers)
    for name in ("train.jsonl", "dev.jsonl", "manifest.json"):
        assert (tmp_path / "1" / name).read_text() == (tmp_path / "2" / name).read_text()
    assert len(read_lines(tmp_path / "1" / "train.jsonl")) >= 5


def test_the_manifest_counts_what_is_in_the_corpus(tmp_path: Path) -> None:
    readme = "Use it well.\n" * 30
    install(tmp_path, "requests", {"requests/api.py": HELD})
    install(tmp_path, "good", {"good/a.py": GOOD, "good/README.md": readme})
    manifest = build([tmp_path], None, tmp_path / "out", pins=PINS)
    entry = manifest.packages["good"]
    assert (entry.files, entry.bytes) == (2, len(GOOD) + len(readme))
    assert manifest.languages == {"python": len(GOOD), "markdown": len(readme)}
    written = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert written["packages"]["good"]["licence"] == "MIT"
    assert written["held_out"]["dev"]["requests"]["files"] == 1


def test_a_group_of_languages_is_cut_at_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(corpus.BUDGET, "python", 100)
    files = [SourceFile("p", "MIT", f"{i}.py", "x" * 60) for i in range(4)]
    readme = SourceFile("p", "MIT", "README.md", "y", "markdown")
    manifest = Manifest()
    assert within_budget([*files, readme], manifest) == [*files[:2], readme]
    assert manifest.dropped == {"over budget": 2}


def test_lines_of_version_0_are_read_as_python(tmp_path: Path) -> None:
    old = {"package": "p", "licence": "MIT", "path": "p.py", "text": "x"}
    (tmp_path / "old.jsonl").write_text(json.dumps(old) + "\n")
    assert read_lines(tmp_path / "old.jsonl") == [SourceFile("p", "MIT", "p.py", "x", "python")]
