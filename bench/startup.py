"""From ``midfill-engine serve`` to the first token, and where the time goes.

    python bench/startup.py

Starts the engine several times with warm files. ``ready_s`` is when it accepts requests,
``first_token_s`` when the first event of a completion of 200 tokens of Python has come, both from
the start of the process; ``cpu_s`` is what the process computed until then, which other work on
the machine changes little. The slowest imports are those of one more start with ``-X importtime``.
The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

KEY = "bench-startup-key"
DEADLINE_S = 120.0
NUM_IMPORTS = 12
SOURCE = Path(__file__).read_text(encoding="utf-8")


class EngineStartError(Exception):
    """The engine ended, or was not ready in time; the message says what it said last."""


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds since the process was started."""

    ready_s: float
    first_token_s: float
    cpu_s: float


def main() -> int:
    """Measures from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--model", default="starter")
    add("--repetitions", type=int, default=7, help="starts; one more goes before them")
    add("--option", action="append", default=[], help="of the engine, as --option=--dtype=int8")
    args = parser.parse_args()
    command = [sys.executable, "-m", "midfill_engine.cli", "serve", "--model", args.model]
    try:
        starts = [start([*command, *args.option]) for _ in range(args.repetitions + 1)][1:]
    except (EngineStartError, httpx.HTTPError) as error:
        print(f"bench/startup.py: {error}", file=sys.stderr)
        return 1
    columns = {
        name: sorted(each[name] for each in map(asdict, starts))
        for name in ("ready_s", "first_token_s", "cpu_s")
    }
    figures = {
        name: {"median": round(statistics.median(values), 3), "least": round(values[0], 3)}
        for name, values in columns.items()
    }
    for name, value in figures.items():
        print(f"{name:14} median {value['median']:.2f}  least {value['least']:.2f}")
    imports = slowest_imports()
    for module, ms in imports.items():
        print(f"{ms:8.1f} ms  {module}")
    told = {"bench": "startup", "model": args.model, "repetitions": args.repetitions}
    print(json.dumps({**told, **figures, "imports_ms": imports}))
    return 0


def start(command: Sequence[str]) -> Start:
    """Starts an engine, waits for its first token and ends it.

    Raises:
        EngineStartError: it did not start.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as said:
        ready = Path(folder) / "ready.json"
        environment = {**os.environ, "MIDFILL_API_KEY": KEY}
        began = time.perf_counter()
        with subprocess.Popen(
            [*command, "--port", "0", "--ready-file", str(ready)],
            env=environment, stderr=said,
        ) as process:  # fmt: skip
            try:
                url = json.loads(wait_for(ready, process, began + DEADLINE_S))["url"]
                ready_s = time.perf_counter() - began
                ask(url)
                first_token_s = time.perf_counter() - began
                return Start(ready_s, first_token_s, cpu_seconds(process.pid))
            except EngineStartError as error:
                said.seek(0)
                raise EngineStartError(f"{error}: {last_line(said.read())}") from None
            finally:
                process.terminate()


def wait_for(path: Path, process: subprocess.Popen[bytes], deadline: float) -> str:
    """Returns the file's text once it is there: it is renamed into place whole."""
    while not path.exists():
        if process.poll() is not None or time.perf_counter() > deadline:
            raise EngineStartError("the engine did not start")
        time.sleep(0.002)
    return path.read_text(encoding="utf-8")


def last_line(said: str) -> str:
    """Returns the last line of what a process said, where it says why it ended."""
    return next(reversed(said.strip().splitlines()), "it said nothing")


def ask(url: str) -> None:
    """Reads a completion up to its first event."""
    body = {
        "input_prefix": SOURCE[:600], "input_suffix": SOURCE[640:900], "n_predict": 8,
        "stream": True,
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {KEY}"}
    with (
        httpx.Client(base_url=url, headers=headers, timeout=DEADLINE_S, trust_env=False) as client,
        client.stream("POST", "/infill", json=body) as reply,
    ):
        reply.raise_for_status()
        next(reply.iter_lines())


def cpu_seconds(pid: int) -> float:
    """Returns the user and system time of a process, threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def slowest_imports() -> dict[str, float]:
    """Returns milliseconds by package, its own modules' together."""
    modules = ("serve.server", "serve.load", "exec.runner")
    code = "; ".join(f"import midfill_engine.{module}" for module in modules)
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True
    ).stderr
    sums: dict[str, float] = {}
    for own_us, module in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)", told):
        name = module.split(".")[0]
        sums[name] = sums.get(name, 0.0) + int(own_us) / 1000
    slowest = sorted(sums.items(), key=lambda item: -item[1])[:NUM_IMPORTS]
    return {name: round(ms, 1) for name, ms in slowest}


if __name__ == "__main__":
    sys.exit(main())
