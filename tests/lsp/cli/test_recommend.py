"""Which model suits a machine, from its memory, its GPU and the speed of its memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from midfill_lsp.cli.catalogue import CatalogueModel
from midfill_lsp.cli.machine import Gpu, Machine, available_bytes, copy_speed, read_gpus
from midfill_lsp.cli.recommend import MOST_MS_PER_TOKEN, rank

GB = 10**9


def model(name: str, billions: float, use: str = "infill") -> CatalogueModel:
    return CatalogueModel(name, 4096, use, "MIT", False, billions, "LlamaForCausalLM")  # type: ignore[arg-type]


MODELS = (model("a/7b", 7), model("a/1b", 1), model("a/chat", 1, "chat"), model("a/3b", 3))


def order(machine: Machine) -> list[tuple[str, str, str | None]]:
    return [
        (fit.model.model_id, fit.device, fit.obstacle) for fit in rank(MODELS, machine)
    ]  # fmt: skip


def test_the_largest_that_is_fast_enough_comes_first() -> None:
    assert order(Machine(64 * GB, 150 * GB, None)) == [
        ("a/3b", "cpu", None),
        ("a/1b", "cpu", None),
        ("a/7b", "cpu", "too slow here"),
    ]


def test_memory_is_looked_at_before_speed() -> None:
    assert order(Machine(4 * GB, 20 * GB, None)) == [
        ("a/1b", "cpu", "too slow here"),
        ("a/3b", "cpu", "too large for the free memory"),
        ("a/7b", "cpu", "too large for the free memory"),
    ]


def test_a_gpu_runs_what_fits_it_and_the_cpu_the_rest() -> None:
    machine = Machine(64 * GB, 150 * GB, Gpu("small", 8 * GB))
    assert order(machine) == [
        ("a/3b", "cpu" if 3 * 2 + 1.07 > 0.85 * 8 else "cuda", None),
        ("a/1b", "cuda", None),
        ("a/7b", "cpu", "too slow here"),
    ]


def test_the_time_of_a_token_is_the_weights_over_the_speed() -> None:
    (first, *_) = rank([model("a/1b", 1)], Machine(None, 56.25 * GB, None))
    assert first.ms_per_token == pytest.approx(20.0)
    assert first.ms_per_token is not None
    assert first.ms_per_token < MOST_MS_PER_TOKEN
    assert first.obstacle is None  # unknown memory is no obstacle


def test_nvidia_smi_is_read() -> None:
    told = "NVIDIA GeForce RTX 4090, 24564\nTesla, T4, 15360\nNo devices were found\n"
    assert read_gpus(told) == [
        Gpu("NVIDIA GeForce RTX 4090", 24564 * 2**20), Gpu("Tesla, T4", 15360 * 2**20),
    ]  # fmt: skip


def test_free_memory_is_read(tmp_path: Path) -> None:
    table = tmp_path / "meminfo"
    assert available_bytes(table) is None
    table.write_text("MemTotal:  9 kB\nMemAvailable:    2048 kB\n", encoding="ascii")
    assert available_bytes(table) == 2 * 2**20


def test_memory_is_copied_at_a_speed() -> None:
    assert 1e7 < copy_speed() < 1e13


def test_models_that_chat_are_ranked_apart() -> None:
    (fit,) = rank(MODELS, Machine(64 * GB, 150 * GB, None), ("chat", "code chat"))
    assert (fit.model.model_id, fit.obstacle) == ("a/chat", None)
