"""The GPU bench without a GPU: it runs, its figures add up, and every kernel compiles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from bench import gpu, gpu_precision, gpu_step
from bench.gpu_models import SHAPES, RandomCheckpoint, build
from bench.gpu_peers import measure, taking_turns
from bench.precision import WINDOW, Window

from midfill_engine.model.spec import ModelSpec
from tests.engine.tiny import VOCAB_SIZE, tiny_reference, write_tiny_model

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
    with pytest.raises(SystemExit):
        gpu_step.main([])
    assert "there is no CUDA GPU" in capsys.readouterr().err


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
    assert calls == [
        (size, count)
        for size in (8, 16)
        for count in (5, 1, 5, 5, 1, 1)  # the first two compile
    ]


def test_losses_by_steps_are_those_of_the_whole_text(tmp_path: Path) -> None:
    ids = [idx * 31 % VOCAB_SIZE for idx in range(WINDOW)]
    folder = write_tiny_model(tmp_path, "codellama")
    found = gpu_precision.run(folder, "float32", "auto", [Window("a", ids)], torch.device("cpu"))
    with torch.inference_mode():
        told: Any = tiny_reference("codellama")(input_ids=torch.tensor([ids]))
    logits = told.logits[0, :-1]
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="sum")
    assert found.losses == pytest.approx([float(expected)], rel=1e-4)
    assert torch.equal(found.best, logits.argmax(-1))


def test_a_peer_is_timed_alone_once_the_others_have_compiled(tmp_path: Path) -> None:
    path = tmp_path / "turns"
    with taking_turns(path, 0.0) as first, taking_turns(path, 0.0) as second:
        with first() as is_alone:
            assert not is_alone, "the other still compiles, and patience is over"
        with second() as is_alone:
            assert is_alone


def ran(script: str, tmp_path: Path, *argv: str, interpreted: bool = False) -> dict[str, Any]:
    """A script's last line; in a process of its own, since kernels are made to be interpreted."""
    pytest.importorskip("triton", reason="Triton is for Linux")
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    if interpreted:
        environment["TRITON_INTERPRET"] = "1"
    command = [sys.executable, f"bench/{script}", *argv]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_every_kernel_compiles(tmp_path: Path) -> None:
    """For Hopper, where nothing is interpreted; one tensor-core instruction for all rows."""
    told = ran("gpu_compile.py", tmp_path, "--shape", "tiny", "--kinds", "fp8")
    assert list(told) == ["sm_90 fp8 1 rows", "sm_90 fp8 32 rows"]
    for rows in told.values():
        names = {row["kernel"] for row in rows}
        assert names == {
            "norm_kernel", "qkv_kernel", "attention_kernel", "product_kernel", "gate_up_kernel",
            "choice_kernel",
        }  # fmt: skip
        assert all(row["code_bytes"] > 0 for row in rows)
        for row in rows:
            used = {"attention_kernel": ["bf16"], "norm_kernel": [], "choice_kernel": []}
            assert row["products"] == [
                f"mma.sync.aligned.m16n8k16.row.col.f32.{dtype}.{dtype}.f32"
                for dtype in used.get(row["kernel"], ["f16"])
            ]


@pytest.mark.parametrize(
    ("shape", "dtype", "head_dim", "kinds"),
    [("7b", "bfloat16", "64", ["plain", "fp8"]), ("1b", "float32", "256", ["plain"])],
)
def test_small_gpus_have_the_shared_memory(
    shape: str, dtype: str, head_dim: str, kinds: list[str], tmp_path: Path
) -> None:
    """Ada's and the like; the kernels that need most, of many outputs and of few."""
    kernels = ["attention_kernel", "gate_up_kernel"]
    argv = ["--capability", "89", "--rows", "16", "--shape", shape, "--dtype", dtype]
    argv += ["--head-dim", head_dim, "--kinds", *kinds, "--kernels", *kernels]
    told = ran("gpu_compile.py", tmp_path, *argv)
    assert list(told) == [f"sm_89 {kind} 16 rows" for kind in kinds]
    for rows in told.values():
        assert sorted(row["kernel"] for row in rows) == kernels
        assert max(row["shared_bytes"] for row in rows) <= 99 * 1024


def test_tuning_runs(tmp_path: Path) -> None:
    """A split product and attention; the second way has the default's numbers."""
    argv = ["--device", "cpu", "--shape", "tiny", "--kinds", "int8", "--rows", "2"]
    argv += ["--cases", "out", "attention", "--contexts", "40", "--most", "2"]
    out = tmp_path / "tune.json"
    told = ran("gpu_tune.py", tmp_path, *argv, "--out", str(out), interpreted=True)
    assert json.loads(out.read_text()) == told
    assert list(told) == ["device", "copy_gb_per_s", "out int8", "attention 40"]
    for case in (told["out int8"], told["attention 40"]):
        assert [tried["error"] for tried in case] == [None] * 3
        assert case[0]["variant"] == case[2]["variant"] != case[1]["variant"]
        assert all(tried["timings"]["2"]["off"] < 0.02 for tried in case)
        assert all(tried["timings"]["2"]["us"] > 0 for tried in case)
