"""What speculation gains where it runs: an engine with drafts beside one without, over HTTP.

    python bench/speculation.py --root DIR --model MODEL --num-cases 200

Held-out edits, as `bench/drafts.py` makes them: first requests, and requests after the first key
that left the completion, which carry it as their `draft`. Each is asked of both engines in turn,
once for no token, to have its prompt computed, and once on the clock, for as many tokens as the
model's own completion has; the time is that of the whole answer. So the engine has learnt how
often drafts come true from earlier cases only. The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.corpus import read_lines
from training.heldout import SPLITS, held_out_files
from training.reference import Vocabulary
from training.sources import default_roots

from bench.backends import KEY, VARIANTS, attached, body, client, serving
from bench.cases import draw
from bench.drafts import FAILURES, KINDS, Edit, edits, table
from bench.scores import Measure


def main() -> int:
    """Runs the measurement from the command line; returns the exit status."""
    args = parse()
    try:
        rows = measure(args)
    except FAILURES as error:
        print(f"bench/speculation.py: {error}", file=sys.stderr)
        return 1
    print(table(rows))
    print(json.dumps({"bench": "speculation", "model": str(args.model), "rows": rows}))
    return 0


def parse() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--model", type=Path, required=True)
    add("--split", choices=SPLITS, default="dev")
    add("--root", type=Path, action="append", help="folder of packages (repeatable)")
    add("--files", type=Path, help="JSON lines of held-out files, in place of a split")
    add("--variant", choices=VARIANTS, default="spm_heal")
    add("--num-cases", type=int, default=200, help="of each kind")
    add("--dtype", default="auto")
    add("--seed", type=int, default=0)
    return parser.parse_args()


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns one row for each kind of case and request."""
    roots = args.root or default_roots()[0]
    files = read_lines(args.files) if args.files else held_out_files(args.split, roots)
    vocabulary = Vocabulary(args.model)
    rows: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        serving(args.model, Path(scratch) / "off", options(args, "off"), {}) as off,
        serving(args.model, Path(scratch) / "on", options(args, "on"), {}) as on,
        attached(off, KEY) as complete,
        client(off, KEY) as plain,
        client(on, KEY) as drafting,
    ):
        for kind in KINDS:
            cases = draw(files, kind, args.num_cases, args.seed)
            groups = edits(cases, [complete], args.variant, vocabulary)
            for name, group in zip(("first request", "after a key"), groups, strict=True):
                asked = [edit for edit in group if edit.known]
                if not asked:
                    continue
                pairs = [(timed(plain, edit), timed(drafting, edit)) for edit in asked]
                rows.append({"kind": kind, "request": name, **summary(asked, pairs)})
    return rows


def options(args: argparse.Namespace, speculation: str) -> list[str]:
    """Returns an engine's options; it computes on the threads that it chooses itself."""
    return ["--dtype", args.dtype, "--speculation", speculation]


def timed(engine: httpx.Client, edit: Edit) -> float:
    """Returns the milliseconds of an answer whose prompt is known."""
    asked = {**body(edit.ask), "n_predict": len(edit.known), "stream": False}
    asked.pop("stop", None)
    if edit.earlier:
        asked["draft"] = edit.earlier
    engine.post("/infill", json={**asked, "n_predict": 0}).raise_for_status()
    begin = time.perf_counter()
    engine.post("/infill", json=asked).raise_for_status()
    return (time.perf_counter() - begin) * 1e3


def summary(asked: Sequence[Edit], pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Returns mean times and how many times as fast it is with drafts, with its interval."""
    off, on = np.array(pairs).T
    speedup, low, high = Measure(off, on, tuple(edit.cluster for edit in asked)).interval()
    return {
        "requests": len(asked),
        "tokens": sum(len(edit.known) for edit in asked),
        "off_ms": round(float(off.mean()), 2),
        "on_ms": round(float(on.mean()), 2),
        "speedup": round(speedup, 2),
        "interval": f"{low:.2f} to {high:.2f}",
    }


if __name__ == "__main__":
    sys.exit(main())
