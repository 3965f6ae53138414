"""Which model suits a machine, from its memory, its GPU and what the engine measured there."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from midfill_lsp.cli import machine as machines
from midfill_lsp.cli import models
from midfill_lsp.cli.catalogue import ANNOUNCED, INFILL, CatalogueModel, Size
from midfill_lsp.cli.machine import (
    Gpu,
    Machine,
    NotMeasured,
    Speed,
    available_bytes,
    look,
    read_gpus,
    read_measurement,
)
from midfill_lsp.cli.recommend import MOST_MS_PER_TOKEN, fit, rank

GB = 10**9
CPU = Speed("native avx2", "int8", 17 / 16, 150e9, 0.0, 1e12, 0.04)
CUDA = Speed("triton", "bfloat16", 2.0, 1000e9, 1e-5, 1e14, 0.1)


def model(name: str, size: float | Size, use: str = "infill") -> CatalogueModel:
    size = size if isinstance(size, Size) else Size(size, 32, size, 0.0)
    return CatalogueModel(name, 4096, use, "MIT", False, size, "LlamaForCausalLM")  # type: ignore[arg-type]


MODELS = (model("a/7b", 7), model("a/1b", 1), model("a/chat", 1, "chat"), model("a/3b", 3))


def machine(memory: int | None, cpu: Speed = CPU, gpu: Gpu | None = None) -> Machine:
    return Machine(memory, {"cpu": cpu} if gpu is None else {"cuda": CUDA, "cpu": cpu}, gpu)


def order(machine: Machine) -> list[tuple[str, str, str | None]]:
    return [
        (fit.model.model_id, fit.device, fit.obstacle) for fit in rank(MODELS, machine)
    ]  # fmt: skip


def test_the_largest_that_is_fast_enough_comes_first() -> None:
    assert order(machine(64 * GB)) == [
        ("a/3b", "cpu", None),
        ("a/1b", "cpu", None),
        ("a/7b", "cpu", "too slow here"),
    ]


def test_memory_is_looked_at_before_speed() -> None:
    assert order(machine(4 * GB, replace(CPU, bytes_per_s=20e9))) == [
        ("a/1b", "cpu", "too slow here"),
        ("a/3b", "cpu", "too large for the free memory"),
        ("a/7b", "cpu", "too large for the free memory"),
    ]


def test_a_gpu_runs_what_fits_it_and_the_cpu_the_rest() -> None:
    assert order(machine(64 * GB, gpu=Gpu("small", 8 * GB))) == [
        ("a/3b", "cpu", None),
        ("a/1b", "cuda", None),
        ("a/7b", "cpu", "too slow here"),
    ]


def test_a_slow_gpu_is_measured_too() -> None:
    slow = replace(machine(64 * GB, gpu=Gpu("old", 80 * GB)), speeds={"cuda": CPU})
    assert fit(MODELS[0], slow).obstacle == "too slow here"


def test_a_token_reads_the_weights_and_passes_the_layers() -> None:
    speed = replace(
        CPU, weight_bytes=1.0, bytes_per_s=50e9, layer_s=1e-4, prompt_weights_per_s=5e11
    )
    asked = model("a/1b", Size(1.0, 40, 0.9, 0.1))
    found = fit(asked, machine(None, speed))
    assert found.ms_per_token == pytest.approx(0.9e9 / 50e9 * 1e3 + 40 * 0.1)
    assert found.prompt_s == pytest.approx(512 * 0.8e9 / 5e11)
    assert found.ms_per_token is not None
    assert found.ms_per_token < MOST_MS_PER_TOKEN
    assert found.obstacle is None  # unknown memory is no obstacle


def test_experts_run_on_torch_in_float32_on_a_cpu() -> None:
    mixtral = next(model for model in ANNOUNCED if "Mixtral-8x7B-I" in model.model_id)
    found = fit(mixtral, machine(1000 * GB))
    assert found.needs_bytes == pytest.approx(46.7e9 * 4 + 2**30)
    assert found.ms_per_token == pytest.approx(12.75e9 * 4 / 150e9 * 1e3)


def test_nothing_is_recommended_where_nothing_could_be_measured() -> None:
    blind = Machine(64 * GB, {}, failures=("cpu: no memory",))
    assert {found.obstacle for found in rank(MODELS, blind)} == {"its speed could not be measured"}


def test_models_that_chat_are_ranked_apart() -> None:
    (found,) = rank(MODELS, machine(64 * GB), ("chat", "code chat"))
    assert (found.model.model_id, found.obstacle) == ("a/chat", None)


def test_the_catalogues_counts_fit_each_other() -> None:
    for known in (*INFILL, *ANNOUNCED):
        size = known.size
        assert 0 < size.head < size.read <= size.parameters
        assert known.has_experts == (size.read < size.parameters / 2)


MEASURED: dict[str, Any] = {
    "devices": [
        {
            "device": "cpu",
            "kernels": "native avx2",
            "dtype": "int8",
            "weight_bytes": 1.0625,
            "bytes_per_s": 15e9,
            "layer_s": 2e-5,
            "prompt_weights_per_s": 4e10,
            "error": 0.05,
        }
    ],
    "gpus": [],
    "threads": 2,
    "measured_s": 1.9,
}


def told(text: str, status: int = 0) -> list[str]:
    """A program that says this and ends so."""
    return [sys.executable, "-c", f"import sys; print({text!r}); sys.exit({status})"]


def test_the_engines_measurement_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "find_gpu", lambda: Gpu("idle", 8 * GB))
    found = look(told(json.dumps(MEASURED)))
    assert found.speeds["cpu"].bytes_per_s == 15e9
    assert (found.num_threads, found.measured_s) == (2, 1.9)
    assert (found.gpu, found.idle_gpu) == (None, Gpu("idle", 8 * GB))


def test_a_gpu_that_could_not_be_measured_is_told_and_not_used() -> None:
    failed = {"device": "cuda", "failed": "kernels fail"}
    gpus = [{"name": "H100", "memory_bytes": 80 * GB}]
    both = {**MEASURED, "devices": [failed, *MEASURED["devices"]], "gpus": gpus}
    found = read_measurement(json.dumps(both))
    assert found.failures == ("cuda: kernels fail",)
    assert found.gpu is None
    works = {**MEASURED["devices"][0], "device": "cuda"}
    found = read_measurement(json.dumps({**both, "devices": [works]}))
    assert found.gpu == Gpu("H100", 80 * GB)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (told("no", 2), "cannot measure this machine: no word of why"),
        (told("no"), "another version"),
        (told("{}"), "another version"),
        (told(json.dumps({**MEASURED, "devices": [{"device": "cpu"}]})), "another version"),
        (["/nonexistent/engine"], "cannot run /nonexistent/engine"),
    ],
)
def test_an_engine_that_does_not_measure(command: list[str], words: str) -> None:
    with pytest.raises(NotMeasured, match=words) as caught:
        look(command)
    assert "\n" not in str(caught.value)


def test_what_was_measured_is_stated(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(command: object) -> Machine:
        del command
        found = read_measurement(json.dumps(MEASURED))
        return replace(found, memory_bytes=8 * GB, idle_gpu=Gpu("RTX", 24 * GB))

    monkeypatch.setattr(models, "look", measured)
    assert models.recommend(["engine", "measure"]) == 0
    printed = capsys.readouterr().out
    assert "int8 weights read at 15 GB/s, 20 us a layer besides (native avx2, 2 threads)" in printed
    assert "timed for 1.9 s: expect 25% more or less" in printed
    assert "RTX, 24 GB, which the engine cannot use: install a build of torch for CUDA" in printed
    assert "Qwen/Qwen2.5-Coder-0.5B" in printed
    assert "about 35 ms a token, 4.5 s for a new prompt of 512" in printed


def test_nvidia_smi_is_read() -> None:
    listed = "NVIDIA GeForce RTX 4090, 24564\nTesla, T4, 15360\nNo devices were found\n"
    assert read_gpus(listed) == [
        Gpu("NVIDIA GeForce RTX 4090", 24564 * 2**20), Gpu("Tesla, T4", 15360 * 2**20),
    ]  # fmt: skip


def test_free_memory_is_read(tmp_path: Path) -> None:
    table = tmp_path / "meminfo"
    assert available_bytes(table) is None
    table.write_text("MemTotal:  9 kB\nMemAvailable:    2048 kB\n", encoding="ascii")
    assert available_bytes(table) == 2 * 2**20
