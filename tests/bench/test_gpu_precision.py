"""What fp8 and int8 cost on a GPU, measured without one: which texts, and what is summed up."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from bench import gpu_precision
from bench.precision import Window, windows_of
from training.sources import SourceFile

from midfill_engine.model.source import resolve
from tests.engine.tiny import write_tiny_model

TEXT = "".join(f"def f{idx}(a, b):\n    return a * {idx} + b\n\n\n" for idx in range(400))


def source_file(name: str, text: str) -> SourceFile:
    return SourceFile(package="pkg", licence="MIT", path=name, language="python", text=text)


def test_what_is_saved_gives_the_same_windows(tmp_path: Path) -> None:
    files = [source_file(f"{idx}.py", TEXT[idx:]) for idx in range(6)]
    files.append(source_file("short.py", "x = 1\n"))
    starter = resolve("starter")
    windows = windows_of(starter, files, 1000)
    gpu_precision.save(tmp_path / "files.jsonl", files, windows)
    found = gpu_precision.read(tmp_path / "files.jsonl")
    assert windows_of(starter, found, 1000) == windows
    assert sum(len(file.text) for file in found) < sum(len(file.text) for file in files)


def test_losses_of_a_tiny_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_precision, "WINDOW", 40)
    ids = [idx * 37 % 400 + 1 for idx in range(40)]
    windows = [Window("pkg/a.py", ids), Window("pkg/b.py", ids[::-1])]

    def chosen(*_told: object) -> list[Window]:
        return windows

    monkeypatch.setattr(gpu_precision, "windows_of", chosen)
    folder = write_tiny_model(tmp_path / "model", "llama-gqa")
    (tmp_path / "files.jsonl").write_text("")
    argv = ["--model", str(folder), "--files", str(tmp_path / "files.jsonl"), "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", ["gpu_precision.py", *argv, "--kinds", "float32", "int8"])
    assert gpu_precision.main() == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["num_tokens"] == 2 * 39
    nats = {name: row["nats"] for name, row in told["kinds"].items()}
    assert set(nats) == {"bfloat16 auto", "float32 auto", "int8 auto"}
    found = gpu_precision.run(folder, "float32", "auto", windows, torch.device("cpu"))
    assert sum(found.losses) / 78 == pytest.approx(nats["float32 auto"])
    assert all(abs(value - nats["float32 auto"]) < 0.05 for value in nats.values())


def test_files_are_needed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu_precision.py"])
    with pytest.raises(SystemExit):
        gpu_precision.main()
    assert "--root DIR or --files FILE is needed" in capsys.readouterr().err
