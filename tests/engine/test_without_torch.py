"""On a CPU the engine neither imports torch nor needs it; where it does, it says so."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

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
    """Loading, greedy and sampled text, scored prompts, masks, penalties, a copied prefix.

    A watermark once did, on the engine's thread.
    """
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
drawn = SamplingParams(
    temperature=0.8, top_p=0.9, top_k=50, repetition_penalty=1.2, watermark=True, seed=3
)
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


def test_other_architectures_say_what_they_need(tmp_path: Path) -> None:
    config = {"architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = run(
        BLOCKED
        + f"""
from midfill_engine.exec.build import Wanted
from midfill_engine.exec.load_runner import load_runner
from midfill_engine.errors import ModelError
try:
    load_runner({str(tmp_path)!r}, Wanted())
except ModelError as error:
    print(error)
"""
    )
    assert "GPTNeoXForCausalLM runs through transformers and torch" in done.stdout, done.stderr
    assert "pip install 'midfill[transformers]'" in done.stdout


def test_the_engine_extra_brings_torch_to_windows_alone() -> None:
    asked = [Requirement(each) for each in metadata.requires("midfill") or ()]
    torch = [each for each in asked if each.name == "torch" and each.marker is not None]

    def is_asked(extra: str, platform: str) -> bool:
        environment = {"extra": extra, "sys_platform": platform}
        return any(each.marker.evaluate(environment) for each in torch if each.marker)

    assert not is_asked("engine", "linux")
    assert not is_asked("engine", "darwin")
    assert is_asked("engine", "win32")
    assert is_asked("torch", "linux")


@pytest.mark.parametrize(
    ("reason", "words", "told"),
    [
        ("no compiler (install one)", [], "(no compiler (install one)), but torch is not inst"),
        ("no compiler (install one)", [], ": pip install 'midfill[torch]'"),
        ("", ["--kernels", "torch"], "'midfill[torch]', or leave --kernels torch out"),
        (
            "no compiler (install one)",
            ["--kernels", "native"],
            "no compiler (install one); use --kernels auto, with torch: pip install 'midfill[tor",
        ),
    ],
)
def test_without_kernels_and_torch_the_remedy_is_the_causes(
    reason: str, words: list[str], told: str
) -> None:
    """A compiler was to be installed where there was one, and where it could not help."""
    code = (
        BLOCKED
        + f"""
from midfill_engine.model import native
native.open_library = lambda: {reason!r}
from midfill_engine.cli import main
sys.exit(main(["info", *{words!r}]))
"""
    )
    done = run(code)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert told in last
    assert "C++ compiler" not in last


def test_a_driver_without_torch_is_told_and_the_cpu_taken(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from midfill_engine.exec import placement

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(placement, "may_have_gpu", lambda: True)
    assert placement.choose_device("auto") == "cpu"
    assert "torch is not installed" in caplog.text
    assert "pip install 'midfill[torch]'" in caplog.text
