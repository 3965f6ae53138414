"""The wheels of other platforms: which compiler is called for them, and what they are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import hatch_build
import pytest
from hatchling.bridge.app import Application

ROOT = Path(__file__).resolve().parents[3]
ZIG = """import json, sys
words = sys.argv[1:]
if "--version" in words:
    print("clang version 0")
else:
    target = words[words.index("-o") + 1]
    with open({calls!r}, "a") as calls:
        calls.write(json.dumps(words) + "\\n")
    open(target, "wb").close()
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts a `ziglang` in front that writes down how it is called."""
    calls = tmp_path / "calls"
    (tmp_path / "ziglang").mkdir()
    (tmp_path / "ziglang/__init__.py").touch()
    (tmp_path / "ziglang/__main__.py").write_text(ZIG.format(calls=str(calls)), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return calls


def built(platform: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Returns what the hook tells the builder of a platform's wheel."""
    monkeypatch.setenv("MIDFILL_WHEEL_PLATFORM", platform)
    hook = hatch_build.KernelsHook(
        str(ROOT), {}, cast("Any", None), cast("Any", None), "", "wheel", Application()
    )
    data: dict[str, Any] = {"force_include": {}}
    hook.initialize("standard", data)
    assert all(Path(path).is_file() for path in data["force_include"])
    hook.finalize("standard", data, "")
    assert not any(Path(path).exists() for path in data["force_include"])
    return data


@pytest.mark.parametrize("platform", hatch_build.PLATFORMS)
def test_every_platform_has_its_kernels(
    platform: str, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = built(platform, monkeypatch)
    assert data["tag"] == f"py3-none-{platform}"
    assert data["pure_python"] is False
    (place,) = data["force_include"].values()
    suffix = "midfill_cpu.dll" if platform.startswith("win") else "libmidfill_cpu.so"
    assert place == f"midfill_engine/kernels/{suffix}"
    target, machine = hatch_build.PLATFORMS[platform]
    commands = [json.loads(line) for line in calls.read_text(encoding="utf-8").splitlines()]
    assert all(words[:4] == ["c++", "-target", target, "-mcpu=baseline"] for words in commands)
    steps = {word for words in commands for word in words if word.startswith("-DMF_STEP=")}
    best = "step_amx" if machine == "x86_64" else "step_neondot"
    assert {f"-DMF_STEP={best}", "-DMF_STEP=step_portable"} <= steps


def test_an_unknown_platform_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="'win32'; it can be manylinux"):
        built("win32", monkeypatch)
