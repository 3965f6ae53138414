"""The first suggestion behind a jump: with the cursor's rest told to the language server, and not.

    python bench/jumps.py                     # 60 places, about 2 minutes
    python bench/jumps.py --rest 1.0 --places 40

Starts ``midfill-engine serve`` with the bundled model and ``midfill lsp``. The cursor jumps to the
ends of lines far from each other, rests, and begins a line below; every second place's cursor is
told (``midfill/didMoveCursor``), so that the engine can read ahead. Then it rests at another place
and comes back for one key more, which must not have become cold. Measured is the time from the key
to the first text, or to an answer without one, and what the engine had in its cache, where it was
asked. The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.latency import engine, read_source, read_traces, shake_hands
from bench.lsp_wire import Message, Wire, started

LINES_APART = 12
AUTOMATIC = 2


@dataclass(frozen=True, slots=True)
class Place:
    """The end of a line of a file that is open."""

    uri: str
    line: int
    character: int
    indent: str

    def is_above(self, other: Place) -> bool:
        """Whether it is in the same file, not far above."""
        apart = other.line - self.line
        return self.uri == other.uri and LINES_APART <= apart <= 3 * LINES_APART


def places(folder: Path, count: int) -> tuple[list[Place], dict[str, tuple[str, str]]]:
    """Returns places, neighbours in other files where there are such, and the files' texts."""
    files = {(folder / trace.path).as_uri(): trace for trace in read_traces(24)}
    texts = {uri: (trace.language, read_source(trace.path)) for uri, trace in files.items()}

    def of(uri: str) -> Iterator[Place]:
        lines = texts[uri][1].splitlines()
        for idx in range(LINES_APART, len(lines), LINES_APART):
            if lines[idx].strip():
                indent = lines[idx][: len(lines[idx]) - len(lines[idx].lstrip())]
                yield Place(uri, idx, len(lines[idx].encode("utf-16-le")) // 2, indent)

    rows = [list(of(uri)) for uri in texts]
    longest = max(map(len, rows))
    found = [row[idx] for idx in range(longest) for row in rows if idx < len(row)]
    return found[:count], texts


class Jumper:
    """Rests and types in one window."""

    def __init__(self, wire: Wire) -> None:
        """Hears what grows."""
        self._wire = wire
        self._versions: dict[str, int] = defaultdict(lambda: 1)
        self._first_at: float | None = None
        wire.on_message = self._hear

    def _hear(self, message: Message, at: float) -> None:
        if message.get("method") == "$/progress" and self._first_at is None:
            self._first_at = at

    async def rest(self, place: Place, rest_s: float, *, is_told: bool) -> None:
        """Lets the cursor rest at a place."""
        if is_told:
            self._wire.notify(
                "midfill/didMoveCursor",
                {
                    "textDocument": {"uri": place.uri},
                    "position": {"line": place.line, "character": place.character},
                },
            )
        await asyncio.sleep(rest_s)

    async def type(self, uri: str, line: int, character: int, text: str) -> dict[str, Any]:
        """Returns the milliseconds to the first text or answer, and the prompt's tokens.

        ``text`` begins a line below, or stands in the line.
        """
        position = {"line": line, "character": character}
        document = {"uri": uri}
        self._versions[uri] += 1
        change = {"range": {"start": position, "end": position}, "text": text}
        versioned = {**document, "version": self._versions[uri]}
        self._first_at = None
        began = time.perf_counter()
        self._wire.notify(
            "textDocument/didChange", {"textDocument": versioned, "contentChanges": [change]}
        )
        params = {
            "textDocument": document,
            "position": {
                "line": line + text.count("\n"),
                "character": len(text) - 1 if "\n" in text else character + len(text),
            },
            "context": {"triggerKind": AUTOMATIC},
            "partialResultToken": "jump",
        }
        await self._wire.request("midfill/completion", params)
        ms = ((self._first_at or time.perf_counter()) - began) * 1e3
        explain: dict[str, Any] = {"command": "midfill.explain", "arguments": []}
        facts = await self._wire.request("workspace/executeCommand", explain)
        return {"ms": ms, "prompt": facts["promptTokens"], "cached": facts["cachedTokens"]}


async def run(args: argparse.Namespace) -> dict[str, Any]:
    """Returns the figures of each kind of key."""
    key = "bench-jumps-key"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found, texts = places(folder, args.places)
        async with engine(args.model, key, folder) as url:
            own = {"MIDFILL_CONFIG_DIR": f"{name}/.config", "MIDFILL_STATE_DIR": f"{name}/.state"}
            command = [sys.executable, "-m", "midfill_lsp.cli", "lsp", "--engine-url", url]
            environment = {**os.environ, **own, "MIDFILL_API_KEY": key}
            async with started(command, environment, folder) as wire:
                await shake_hands(wire, folder)
                for uri, (language, text) in texts.items():
                    document = {"uri": uri, "languageId": language, "version": 1, "text": text}
                    wire.notify("textDocument/didOpen", {"textDocument": document})
                jumper = Jumper(wire)
                await jumper.type(found[0].uri, found[0].line, 0, "")  # connections, imports
                measured = await visit_all(jumper, found[1:], args.rest)
    return {kind: figures(keys) for kind, keys in measured.items()}


async def visit_all(
    jumper: Jumper, found: list[Place], rest_s: float
) -> dict[str, list[dict[str, Any]]]:
    """Returns what was measured of each key, by its kind; every second place is told."""
    measured: dict[str, list[dict[str, Any]]] = defaultdict(list)
    known = set(found)
    for idx, place in enumerate(reversed(found)):
        is_told = idx % 2 == 0
        kind = "told" if is_told else "not told"
        await jumper.rest(place, rest_s, is_told=is_told)
        first = await jumper.type(place.uri, place.line, place.character, f"\n{place.indent}")
        measured[kind].append(first)
        away = next((other for other in known if other.is_above(place)), None)
        if away is not None:
            await jumper.rest(away, rest_s, is_told=is_told)
            back = await jumper.type(place.uri, place.line + 1, len(place.indent), "q")
            measured[f"{kind}, back"].append(back)
    return measured


def figures(keys: list[dict[str, Any]]) -> dict[str, float]:
    """Returns medians of keys for which the engine was asked, and how many those are."""
    asked = [key for key in keys if key["prompt"]]
    times = sorted(key["ms"] for key in asked)
    return {
        "keys": len(asked),
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[min(len(times) - 1, len(times) * 95 // 100)], 1),
        "prompt_tokens": statistics.median(key["prompt"] for key in asked),
        "cached_tokens": statistics.median(key["cached"] for key in asked),
    }


def main() -> None:
    """Measures from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--places", type=int, default=60)
    parser.add_argument("--rest", type=float, default=0.6, help="seconds from the jump to the key")
    told = asyncio.run(run(parser.parse_args()))
    for name, row in told.items():
        print(f"{name:14}", row)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
