"""`midfill explain`: what became of the latest requests of the editors that run."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any, cast

from midfill_lsp.cli.terminal import say
from midfill_lsp.engine_process import process
from midfill_lsp.engine_process.state import ensure_dir
from midfill_lsp.recent import read_all

_NOTHING = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's options."""
    parser.epilog = (
        "The latest comes first. Each running language server keeps its last 50, and nothing of "
        "the text. The status is 1 if there are none."
    )
    parser.add_argument("-n", type=int, default=10, metavar="N", help="how many; default: 10")
    parser.add_argument("--json", action="store_true", help="print JSON, with all facts")


def run(options: argparse.Namespace) -> int:
    """Print the requests, and return the exit status."""
    found = read_all(ensure_dir(), process.is_alive)[: max(0, options.n)]
    if options.json:
        print(json.dumps(found, indent=2))
    elif not found:
        print("no language server runs, or none was asked yet")
    else:
        for request in found:
            say("\n".join(_lines(request)))
    return 0 if found else _NOTHING


def _lines(request: dict[str, Any]) -> list[str]:
    at = time.strftime("%H:%M:%S", time.localtime(float(request["at"])))
    place = f"{request['file']}:{request['line'] + 1}:{request['column'] + 1}"
    reason = cast("dict[str, Any]", request["reason"])
    timings = cast("dict[str, float]", request["timingsMs"])
    took = f" ({timings['total']:g} ms)" if "total" in timings else ""
    lines = [f"{at}  {place}  {reason['sentence']}{took}"]
    detail = request.get("detail")
    if detail and f"empty.{detail}" != reason["code"]:
        lines.append(f"          {detail}")
    if reason["remedy"] and request["outcome"] not in {"shown", "cached"}:
        lines.append(f"          > {reason['remedy']}")
    return lines
