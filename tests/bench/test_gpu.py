"""The GPU bench without a GPU: it runs, its figures add up, and every kernel compiles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
import torch
from bench import gpu
from bench.gpu_models import SHAPES, RandomCheckpoint, build
from bench.gpu_peers import measure

from midfill_engine.model.spec import ModelSpec

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def one_thread() -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_smoke(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "gpu.json"
    argv = ["--device", "cpu", "--shape", "tiny", "--kinds", "plain", "--contexts", "24"]
    argv += ["--new-tokens", "2", "--repetitions", "1", "--crowds", "3", "--out", str(out)]
    told = gpu.main([*argv, "--part", "check", "decode", "first", "clients"])
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == told
    assert json.loads(out.read_text()) == told
    assert told["check"]["plain"]["difference"] < 0.05
    assert [(row["context"], row["rows"]) for row in told["decode"]["plain"]] == [
        (24, 1), (24, 4), (24, 8), (24, 16),
    ]  # fmt: skip
    assert told["first"]["plain"][0]["prompt"] == 24
    crowd = told["clients"]["plain"][0]
    assert crowd["clients"] == 3
    assert 0 < crowd["first_token_ms_median"] <= crowd["first_token_ms_max"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "--device cpu --shape tiny shows that it runs" in capsys.readouterr().err


def test_bytes_of_a_step() -> None:
    """7B at 2k in bfloat16 reads 13.2 GB of weights and 1.1 GB of keys and values."""
    spec = ModelSpec.from_config(SHAPES["7b"])
    tiny = build("tiny", "plain", torch.device("cpu"), num_slots=1, max_len=64)
    assert tiny.step_bytes(10) - tiny.step_bytes(9) == 2 * 2 * 64 * 2
    checkpoint = RandomCheckpoint(spec, torch.device("meta"), torch.bfloat16)
    with checkpoint.reader() as read:
        assert read("model.layers.31.mlp.down_proj.weight").shape == (4096, 11008)


def test_peers_are_timed_by_what_more_tokens_cost() -> None:
    calls: list[tuple[int, int]] = []
    rows = measure(lambda prompt, count: calls.append((len(prompt), count)), 300, [8, 16], 5, 2)
    assert [row["context"] for row in rows] == [8, 16]
    assert calls == [(8, 5)] * 3 + [(8, 1)] * 3 + [(16, 5)] * 3 + [(16, 1)] * 3


def test_every_kernel_compiles(tmp_path: Path) -> None:
    """For Hopper, where nothing is interpreted; one tensor-core instruction for all rows."""
    pytest.importorskip("triton", reason="Triton is for Linux")
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    command = [sys.executable, "bench/gpu_compile.py", "--shape", "tiny", "--kinds", "fp8"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert list(told) == ["sm_90 fp8 1 rows", "sm_90 fp8 32 rows"]
    for rows in told.values():
        names = {row["kernel"] for row in rows}
        assert names == {
            "qkv_kernel", "attention_kernel", "product_kernel", "gate_up_kernel", "choice_kernel",
        }  # fmt: skip
        assert all(row["code_bytes"] > 0 for row in rows)
    products = {name for rows in told.values() for row in rows for name in row["products"]}
    assert products == {"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"}
