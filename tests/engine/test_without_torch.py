"""On a CPU the engine neither imports torch nor needs it; where it does, it says so."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from midfill_engine.kernels.library import Library
from midfill_engine.model.native import open_library

NATIVE = pytest.mark.skipif(
    not isinstance(open_library(), Library), reason="the library cannot be had here"
)
BLOCKED = "import sys; sys.modules['torch'] = None\n"
"""An import of torch is then a ModuleNotFoundError, as where it is not installed."""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )


@NATIVE
def test_completions_do_not_import_torch() -> None:
    """Loading, greedy and sampled text, scored prompts, masks, penalties, a copied prefix."""
    code = """
import sys, json
import numpy as np
from midfill_engine.exec.runner import Runner
from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.exec.work import Work
runner = Runner.load("starter", device="cpu", max_total_tokens=512)
ids = list(range(40, 60))
greedy = runner.run([Work(0, ids, 0, sampling=SamplingParams())])
runner.copy_prefix(0, 1, 19)
drawn = SamplingParams(temperature=0.8, top_p=0.9, top_k=50, repetition_penalty=1.2, seed=3)
mask = np.zeros(runner.vocab_size, bool)
mask[100:200] = True
more = runner.run([
    Work(1, ids[19:], 19, sampling=drawn, prompt_ids=ids),
    Work(2, ids, 0, sampling=SamplingParams(), allowed=[mask], top_n=3),
    Work(3, ids, 0, sampling=SamplingParams(), scored_ids=ids[1:], top_n=2),
])
print(json.dumps(["torch" in sys.modules, len(greedy[0]), [len(each) for each in more]]))
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [False, 1, [1, 1, 20]]


@NATIVE
def test_a_machine_without_torch_serves_on_the_kernels() -> None:
    code = BLOCKED + "from midfill_engine.cli import main; sys.exit(main(['info']))"
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kernels"].startswith("native ")


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["--kernels", "torch"], "torch is to run it (asked for)"),
        (["--dtype", "float16"], "torch is to run it (no native float16)"),
        (["--device", "cuda"], "--device cuda"),
    ],
)
def test_what_needs_torch_says_so(arguments: list[str], needed: str) -> None:
    code = (
        BLOCKED + f"from midfill_engine.cli import main; sys.exit(main(['info', *{arguments!r}]))"
    )
    done = run(code)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("midfill-engine: error: ")
    assert needed in last
    assert "torch is not installed" in last
    assert "pip install 'midfill[torch]'" in last


def test_without_kernels_and_torch_both_remedies_are_told() -> None:
    code = (
        BLOCKED
        + """
from midfill_engine.model import native
native.open_library = lambda: "no C++ compiler"
from midfill_engine.cli import main
sys.exit(main(["info"]))
"""
    )
    done = run(code)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert "no C++ compiler" in last
    assert "pip install 'midfill[torch]'" in last
    assert "install a C++ compiler" in last


def test_a_driver_without_torch_is_told_and_the_cpu_taken(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from midfill_engine.exec import placement

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(placement, "may_have_gpu", lambda: True)
    assert placement.choose_device("auto") == "cpu"
    assert "torch is not installed" in caplog.text
    assert "pip install 'midfill[torch]'" in caplog.text
