"""From a keystroke to the text on the screen: typing replayed through the real language server.

    python bench/latency.py                       # every run, about 25 minutes
    python bench/latency.py --run streaming --traces 4 --speed 2

Starts ``midfill-engine serve`` with the bundled model and, for each run, ``midfill lsp`` on a wire
tap to it; a seeded person (bench/typist.py) writes the stretches of ``latency_traces.jsonl`` at
human speed and takes what fits. The files are those of a commit of this repository, so that every
version is measured with the same text. Runs: ``streaming`` and ``standard`` are two kinds of
editors, ``workspace`` is streaming in a folder of 10,000 files. The last line of stdout is JSON,
with the goals beside the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.engine_tap import Tap, tapped
from bench.keys import Log
from bench.latency_report import GOALS, figures
from bench.lsp_wire import Wire, cpu_s, memory_mb, started
from bench.replay import Client, Editor
from bench.typist import Typist

ROOT = Path(__file__).resolve().parent.parent
TRACES = Path(__file__).with_name("latency_traces.jsonl")
COMMIT = "c2c1efa"
"""Whose files are typed; none of them was trained on."""
NUM_WORKSPACE_FILES = 10_000
ENGINE_START_S = 120.0
RUNS: dict[str, Client] = {
    "streaming": "streaming",
    "standard": "standard",
    "workspace": "streaming",
}


@dataclass(frozen=True, slots=True)
class Trace:
    """A stretch of whole lines of a file, and who types it."""

    path: str
    language: str
    text: str
    start: int
    end: int
    seed: str


def read_traces(count: int) -> list[Trace]:
    """Returns the first ``count`` traces."""
    traces: list[Trace] = []
    for line in TRACES.read_text("utf-8").splitlines()[:count]:
        place = json.loads(line)
        text = read_source(place["path"])
        lines = text.splitlines(keepends=True)
        start = sum(map(len, lines[: place["line"] - 1]))
        end = start + sum(map(len, lines[place["line"] - 1 :][: place["lines"]]))
        seed = f"{place['path']}/{place['line']}"
        traces.append(Trace(place["path"], place["language"], text, start, end - 1, seed))
    return traces


def read_source(path: str) -> str:
    """Returns a file as it was at the commit."""
    told = subprocess.run(
        ["git", "-C", str(ROOT), "show", f"{COMMIT}:{path}"], capture_output=True, check=False
    )
    if told.returncode:
        raise SystemExit(f"{path} of commit {COMMIT} is needed; git fetch --unshallow brings it")
    return told.stdout.decode()


@asynccontextmanager
async def engine(model: str, key: str, folder: Path) -> AsyncGenerator[str]:
    """Gives the address of a fresh engine."""
    ready = folder / "ready.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "midfill_engine.cli", "serve", "--model", model, "--port", "0",
        "--ready-file", str(ready), env={**os.environ, "MIDFILL_API_KEY": key},
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await asyncio.wait_for(_until(ready, process), ENGINE_START_S)
        yield json.loads(ready.read_text("utf-8"))["url"]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _until(ready: Path, process: asyncio.subprocess.Process) -> None:
    while not await asyncio.to_thread(ready.exists):
        if process.returncode is not None:
            raise SystemExit("the engine did not start: midfill-engine serve says why")
        await asyncio.sleep(0.05)


async def measure(
    name: str, traces: Sequence[Trace], address: str, tap: Tap, key: str, speed: float
) -> dict[str, object]:
    """Returns the figures of one run with a fresh language server."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if name == "workspace":
            fill_workspace(folder, [trace.text for trace in traces])
        command = [sys.executable, "-m", "midfill_lsp.cli", "lsp", "--engine-url", address]
        # Neither the settings nor the statistics of whoever runs this.
        own = {"MIDFILL_CONFIG_DIR": f"{place}/.config", "MIDFILL_STATE_DIR": f"{place}/.state"}
        environment = {**os.environ, **own, "MIDFILL_API_KEY": key}
        async with started(command, environment, folder) as wire:
            log = Log()
            start = await shake_hands(wire, folder)
            await warm_up(wire, folder, traces[0], RUNS[name], speed)
            tap.exchanges.clear()
            tap.num_connections = 0
            began_s = cpu_s(wire.pid)
            editor = Editor(wire, RUNS[name], speed, log)
            for idx, trace in enumerate(traces):
                uri = (folder / trace.path).as_uri()
                typist = Typist(trace.text, trace.start, trace.end, trace.seed)
                await editor.play(typist, uri, trace.language)
                print(f"{name}: {idx + 1} of {len(traces)}", file=sys.stderr)
            for stale in log.stale:
                print(f"stale: {stale}", file=sys.stderr)
            ended_s = cpu_s(wire.pid)
            told: dict[str, Any] = {**figures(log, tap.exchanges), "start": start}
            told["connections"] = tap.num_connections
            status = await wire.request("workspace/executeCommand", {"command": "midfill.status"})
            told["streams"] = status["metrics"]["streams"]
            if began_s is not None and ended_s is not None:
                told["cpu_ms_per_key"] = round((ended_s - began_s) * 1000 / len(log.keys), 2)
            told["memory_mb"] = memory_mb(wire.pid)
    return told


async def shake_hands(wire: Wire, folder: Path) -> dict[str, float]:
    """Opens the window on a folder; returns seconds from the process's start to its answer."""
    params = {
        "processId": os.getpid(),
        "rootUri": folder.as_uri(),
        "workspaceFolders": [{"uri": folder.as_uri(), "name": folder.name}],
        "capabilities": {"general": {"positionEncodings": ["utf-16"]}},
    }
    await wire.request("initialize", params)
    told = {"initialize_s": round(time.perf_counter() - wire.began_at, 3)}
    if (used_s := cpu_s(wire.pid)) is not None:
        told["cpu_s"] = used_s
    wire.notify("initialized", {})
    return told


async def warm_up(wire: Wire, folder: Path, trace: Trace, client: Client, speed: float) -> None:
    """Types a line that is not counted: connections are made and modules imported."""
    end = trace.text.find("\n", trace.start)
    typist = Typist(trace.text, trace.start, min(end, trace.start + 12), "warm")
    await Editor(wire, client, speed, Log()).play(
        typist, (folder / "warm").as_uri(), trace.language
    )


def fill_workspace(folder: Path, texts: Sequence[str]) -> None:
    """Writes 10,000 files, a hundred to a folder."""
    for idx in range(NUM_WORKSPACE_FILES):
        path = folder / f"part{idx // 100}" / f"module{idx}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"# {idx}\n{texts[idx % len(texts)]}", encoding="utf-8")


def met(told: dict[str, Any]) -> dict[str, dict[str, object]]:
    """Returns each goal, what was measured, and whether that meets it."""
    first: dict[str, float] = told["first_text_ms"] or {}
    overhead: dict[str, float] = told["overhead_ms"] or {}
    measured: dict[str, float | None] = {
        "first_text_p50_ms": first.get("p50"),
        "first_text_p95_ms": first.get("p95"),
        "stale": told["stale"],
        "overhead_p50_ms": overhead.get("p50"),
        "memory_mb": told["memory_mb"].get("peak"),
    }
    return {
        name: {"goal": goal, "measured": value, "met": None if value is None else value <= goal}
        for name, goal in GOALS.items()
        for value in [measured[name]]
    }


async def run(args: argparse.Namespace) -> dict[str, object]:
    """Returns the figures of every run."""
    key = "bench-latency-key"
    traces = read_traces(args.traces)
    told: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as place:
        async with engine(args.model, key, Path(place)) as url, tapped(url) as (address, tap):
            for name in args.run or RUNS:
                result = await measure(name, traces, address, tap, key, args.speed)
                goals = met(result)
                told[name] = {**result, "goals": goals}
                print(name, json.dumps(result, indent=2))
                for goal, facts in goals.items():
                    print(f"{name}: {goal} {facts['measured']} (goal {facts['goal']})")
    return told


def main() -> None:
    """Measures from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--model", default="starter", help="folder, Hub id or starter")
    add("--run", action="append", choices=sorted(RUNS), help="repeatable; default: every run")
    add("--traces", type=int, default=1000, help="so many of the traces")
    add("--speed", type=float, default=1.0, help="1 is a person, 2 twice as fast")
    args = parser.parse_args()
    told = asyncio.run(run(args))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    facts = {"bench": "latency", "model": args.model, "commit": COMMIT, "speed": args.speed}
    print(json.dumps({**facts, "load": load, "cores": os.cpu_count(), "runs": told}))


if __name__ == "__main__":
    main()
