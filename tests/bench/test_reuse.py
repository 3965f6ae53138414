"""Typing traces end in the text they write, and prompts are reused over them."""

from __future__ import annotations

import argparse
import asyncio
import random

import pytest
from bench.reuse import ROOT, Window, measure, served_without_model
from bench.traces import places, type_again

STARTER = ROOT / "engine" / "midfill_engine" / "starter"
JS = "function f(a) {\n  if (a) {\n    g(a, 'x');\n  }\n}\nh();\n"
PYTHON = (ROOT / "engine" / "midfill_engine" / "cli" / "options.py").read_text("utf-8")


@pytest.mark.parametrize("text", [JS, PYTHON])
def test_a_trace_ends_in_the_text(text: str) -> None:
    for seed in range(20):
        rng = random.Random(seed)
        start, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        states = list(type_again(text, start, end, rng))
        last = states[-1]
        assert last.before == text[:end]
        if not last.after.startswith(text[end:]):  # what is still open was closed by the editor
            assert last.after.endswith(text[end:])
        assert states[0].key == "jump"


def test_keys_of_a_block() -> None:
    states = list(type_again("f() {\n  a\n}\nb\n", 0, 11, random.Random(0)))
    seen = {state.before: (state.after, state.key) for state in states}
    assert seen["f("] == (")\nb\n", "opener")
    assert seen["f()"] == ("\nb\n", "closer")
    assert seen["f() {"] == ("}\nb\n", "opener")
    assert seen["f() {\n  "] == ("\n}\nb\n", "newline")
    assert seen["f() {\n  a"][0] == "\n}\nb\n"


def test_prompts_only_grow() -> None:
    """Closers that the editor adds once made every prompt anew, and a block after a line did."""
    served = served_without_model(STARTER, 2048)
    shares: dict[bool, float] = {}
    for frozen in (True, False):
        window = Window(served, frozen=frozen)
        for idx, (text, start, end) in enumerate(places([PYTHON], 2, 120, seed=4)):
            states = type_again(text, start, end, random.Random(idx))
            asyncio.run(window.type(str(idx), "python", states))
        assert window.reuse.requests > 150
        shares[frozen] = window.reuse.share
    assert shares[True] > 0.97
    assert shares[False] < shares[True]


def test_files_longer_than_the_window() -> None:
    served = served_without_model(STARTER, 512)
    args = argparse.Namespace(num_places=1, chars=250, seed=1)
    told = measure(served, [PYTHON], args)
    frozen = told["frozen"]
    assert isinstance(frozen, dict)
    assert frozen["truncated_share"] == 1.0
    assert frozen["reused_share"] > 0.95
