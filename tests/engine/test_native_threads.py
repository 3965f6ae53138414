"""The native decoder's threads: how many, on which cores, and in a fork without them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from midfill_engine.kernels.library import Library
from midfill_engine.model.native import open_library

pytestmark = pytest.mark.skipif(
    not isinstance(open_library(), Library) or sys.platform != "linux",
    reason="the library cannot be had here, or the limits are not Linux's",
)

_MODEL = """
import logging, os, resource, sys
import torch
from bench.torch_native import TorchNative
from tests.engine.native_models import library_or_skip, random_ids, random_model

torch.set_num_threads(1)  # torch's own are lost in a fork too, and it waits for them
model = random_model("deep")
ids = random_ids(model.spec, 40)
library = library_or_skip()

def decoder(num_threads):
    return TorchNative(model.spec, model.weights, library, num_threads=num_threads)

def logits(native):
    return native.forward(ids, 0, model.cache(1), 0, 3)
"""


def run(code: str) -> str:
    """Returns what a program prints, log and all, once it has ended well."""
    done = subprocess.run(
        [sys.executable, "-c", _MODEL + code],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_it_goes_on_with_fewer_threads_and_says_so() -> None:
    """A limit of threads was told as a model that does not fit the memory.

    Here it is one of memory, which their stacks would take.
    """
    told = run("""
logging.basicConfig(format="%(message)s")
expected = logits(decoder(1))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 300 * 2**20,) * 2)
assert torch.equal(logits(decoder(400)), expected)
""")
    assert "400 threads cannot be had, " in told
    assert 1 <= int(told.partition("cannot be had, ")[2].split()[0]) < 200
    assert "--threads" in told


def test_a_fork_ends_without_the_threads_that_it_does_not_have() -> None:
    """It waited for them, which was a segmentation fault; so did a fork's ordinary end.

    A step waited too, in a third of all forks: for helpers that had slept.
    """
    told = run("""
native = decoder(4)
expected = logits(native)
for closes in (True, False) * 5:
    native.forward(ids, 0, model.cache(1), 0, 3)
    child = os.fork()
    if not child:
        assert torch.equal(logits(native), expected)
        if closes:
            native.close()
        sys.exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
assert torch.equal(logits(native), expected)
native.close()
print("all ended")
""")
    assert told.endswith("all ended\n")


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core is all that there is")
def test_helpers_leave_the_caller_its_core() -> None:
    """On the caller's they took turns with it, by the millisecond, and a step took twice as long.

    A caller that may use one core alone shares it.
    """
    told = run("""
from pathlib import Path

def name_of(thread):
    try:
        return (thread / "comm").read_text().strip()
    except OSError:  # one that packed weights, and has ended meanwhile
        return ""

def steps_with(cores):
    os.sched_setaffinity(0, cores)
    native = decoder(3)
    logits(native)
    threads = Path("/proc/self/task").iterdir()
    helpers = [each for each in threads if name_of(each) == "midfill-helper"]
    masks = [os.sched_getaffinity(int(each.name)) for each in helpers]
    native.close()
    return masks

cores = os.sched_getaffinity(0)
for mask in steps_with(cores):
    assert mask < cores and len(mask) == len(cores) - 1, mask
    print("left out")
one = {min(cores)}
for mask in steps_with(one):
    assert mask == one, mask
    print("shared")
""")
    assert told.splitlines() == ["left out"] * 2 + ["shared"] * 2
