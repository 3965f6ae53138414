"""The program that `engine_process` starts in tests: `python fake_program.py [OPTIONS] serve ...`.

It keeps the start-up contract and the leases of docs/protocol.md; the options before `serve`
make it fail in the ways an engine fails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.lsp.backend.fake_engine import FakeEngine


def _tell_ready(options: argparse.Namespace, url: str) -> None:
    if options.starts is not None:
        with Path(options.starts).open("a", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
    facts = {"pid": os.getpid(), "url": url, "model": options.model, "version": "0.1.0"}
    draft = Path(options.ready_file + ".draft")
    draft.write_text(json.dumps(facts), encoding="utf-8")
    os.replace(draft, options.ready_file)


async def _serve(options: argparse.Namespace, key: str) -> int:
    engine = FakeEngine(key)
    first_wait_s, unused_s = 60.0, float(options.exit_when_unused)
    async with engine:
        if options.linger is not None and options.dead is None:
            failed = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, failed.set)
            _tell_ready(options, engine.url)
            await failed.wait()
            return 2
        if options.dead is not None:
            sys.stderr.write(f"midfill-engine: error: {options.dead}\n")
        _tell_ready(options, engine.url)
        if options.dead is not None:
            return 2
        wait_s: float | None = first_wait_s
        while True:
            try:
                await asyncio.wait_for(engine.lease_changed.wait(), wait_s)
            except asyncio.TimeoutError:
                os.unlink(options.ready_file)
                return 0
            engine.lease_changed.clear()
            wait_s = unused_s if engine.num_leases == 0 else None


def main() -> int:
    """Run as the engine's program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--starts", help="file that gets a line with the process id")
    parser.add_argument("--fail", help="end at once with this error")
    parser.add_argument("--die", action="store_true", help="end at once without a word")
    parser.add_argument("--never-ready", action="store_true")
    parser.add_argument("--progress", help="file: wait until it is there, with progress in the log")
    parser.add_argument("--linger", help="fail at SIGUSR1, and end once this file is there")
    parser.add_argument("--dead", help="serve nobody for this error, and end as with --linger")
    parser.add_argument("serve", choices=["serve"])
    for name in ("model", "device", "port", "ready-file", "api-key-file", "exit-when-unused"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    if options.fail is not None:
        sys.stderr.write(f"midfill-engine: error: {options.fail}\n")
    if options.fail is not None or options.die:
        return 2
    if options.never_ready:
        asyncio.run(asyncio.Event().wait())
    if options.progress is not None:
        sys.stderr.write("midfill-engine: m: downloading 100 %\n")
        while not Path(options.progress).exists():
            sys.stderr.write("midfill-engine: m: loading 43 %\n")
            sys.stderr.flush()
            time.sleep(0.05)
    key = Path(options.api_key_file).read_text(encoding="ascii")
    status = asyncio.run(_serve(options, key))
    while options.linger is not None and not Path(options.linger).exists():
        time.sleep(0.02)
    return status


if __name__ == "__main__":
    sys.exit(main())
