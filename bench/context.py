"""What context from other files costs the language server, beside 50 buffers and 10,000 files.

    python bench/context.py

A made-up workspace of copies of the standard library's files is indexed, 50 of them are open, and
a stretch of one more is typed key by key: milliseconds on the event loop for the privacy gate and
the choice, per key and where the choice is made anew; the walk's time; false alarms of the gate on
the standard library; memory. No model. The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.traces import places, type_again
from midfill_lsp import prompt as prompts
from midfill_lsp.complete.clearance import Clearance, Wish
from midfill_lsp.config import ContextConfig
from midfill_lsp.context import Finder, Gate, Workspace
from midfill_lsp.context.secret_lines import SecretLines
from midfill_lsp.document import Snapshot, open_snapshot
from midfill_lsp.lines import split_lines
from midfill_lsp.syntax import Grammars


def main() -> None:
    """Measures from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--num-files", type=int, default=10_000)
    parser.add_argument("--num-buffers", type=int, default=50)
    parser.add_argument("--num-places", type=int, default=8)
    parser.add_argument("--chars", type=int, default=300)
    args = parser.parse_args()
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        for idx in range(args.num_files):
            place = top / f"part{idx // 100}" / f"module{idx}.py"
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(sources[idx % len(sources)].read_bytes())
        (top / ".gitignore").write_text("build/\n*.log\n/part1/module101.py\n", "utf-8")
        result = asyncio.run(measure(top, args))
    print(json.dumps({"bench": "context", **result, **alarms(sources)}))


async def measure(top: Path, args: argparse.Namespace) -> dict[str, object]:
    """Returns the times of typing, and of the walk."""
    documents: dict[str, Snapshot] = {}
    config = ContextConfig()
    workspace = Workspace([top])
    gate = Gate(lambda: config, workspace)
    finder = Finder(lambda: config, workspace, gate, documents, Grammars())
    clearance = Clearance(gate, finder, lambda: "local", lambda: Wish(True))
    await asyncio.to_thread(gate.prepare)
    began = time.perf_counter()
    await finder.start()
    walk_s = time.perf_counter() - began
    paths = [top / f"part{idx // 100}" / f"module{idx}.py" for idx in range(args.num_buffers)]
    texts = [path.read_text("utf-8", "replace") for path in paths]
    for path, text in zip(paths, texts, strict=True):
        uri = path.as_uri()
        documents[uri] = open_snapshot(uri, "python", 1, text, "utf-16")
    by_text = dict(zip(texts, paths, strict=True))
    held: list[float] = []
    chosen: list[float] = []
    waited: list[float] = []
    num_pieces: list[int] = []
    for idx, (text, start, end) in enumerate(places(texts, args.num_places, args.chars, 0)):
        uri, last_line = by_text[text].as_uri(), -1
        for state in type_again(text, start, end, random.Random(idx)):
            whole = state.before + state.after
            documents[uri] = open_snapshot(uri, "python", 1, whole, "utf-16")
            line_idx = state.before.count("\n")
            column = len(state.before) - state.before.rfind("\n") - 1
            window = prompts.build(split_lines(whole), line_idx, column, 12_000, 4_000)
            cleared = await clearance.clear(
                documents[uri], line_idx, window.prefix, window.suffix, ""
            )
            facts = cleared.facts
            (held if line_idx == last_line else chosen).append(facts.took_ms)
            waited.append(facts.waited_ms)
            num_pieces.append(facts.files)
            last_line = line_idx
    await finder.aclose()
    return {
        "num_files": finder.num_files, "num_buffers": len(paths), "walk_s": round(walk_s, 2),
        "keys": len(held) + len(chosen), "held_ms": ranks(held), "chosen_ms": ranks(chosen),
        "all_ms": ranks(held + chosen), "waited_ms_max": max(waited),
        "pieces_mean": round(sum(num_pieces) / len(num_pieces), 2),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }  # fmt: skip


def ranks(values: list[float]) -> dict[str, float]:
    """Returns the middle and the 95th percentile."""
    ranked = sorted(values)
    return {"p50": ranked[len(ranked) // 2], "p95": ranked[int(len(ranked) * 0.95)]}


def alarms(sources: list[Path]) -> dict[str, object]:
    """Returns the lines of ordinary code that the gate masks, and what a line costs."""
    lines = SecretLines()
    lines.load()
    num_lines = num_masked = 0
    took_s = 0.0
    for path in sources:
        text = path.read_text("utf-8", "replace")
        began = time.perf_counter()
        num_masked += lines.mask(text).num_secrets
        took_s += time.perf_counter() - began
        num_lines += text.count("\n")
    per_line_us = round(took_s / num_lines * 1e6, 1)
    return {"lines": num_lines, "masked_lines": num_masked, "us_per_fresh_line": per_line_us}


if __name__ == "__main__":
    main()
