"""`midfill demo`: a real language server and engine complete code in sample files.

Everything runs as in an editor: a `midfill lsp` process over stdio, which finds or starts the
user's engine. The ghost text is drawn while it grows.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from typing import Any

from midfill_lsp.cli import options as engine_options
from midfill_lsp.cli import samples
from midfill_lsp.cli.editor import CANCELLED, Editor
from midfill_lsp.cli.rpc import ServerFailed
from midfill_lsp.cli.samples import Sample
from midfill_lsp.cli.screen import Row, Screen
from midfill_lsp.cli.text import caret_at

_ANSWER_TIMEOUT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's options."""
    parser.add_argument("--no-color", action="store_true", help="draw without colours")
    engine_options.add_engine_options(parser)


def run(options: argparse.Namespace) -> int:
    """Show everything; 0 if something was suggested and nothing failed."""
    with_color = not options.no_color and not os.environ.get("NO_COLOR")
    engine_options.read_config(options)  # what is wrong is told here, in one line each
    arguments = engine_options.write_options(options)
    return asyncio.run(_show(Screen(with_color=with_color), arguments))


async def _show(screen: Screen, arguments: Sequence[str]) -> int:
    rows: list[Row] = []
    shown: list[tuple[Sample, str]] = []
    started = time.perf_counter()
    async with Editor(arguments) as editor:
        with screen.waiting("Starting the language server and the engine with its model ..."):
            await editor.until_ready()
        screen.say(f"Ready after {time.perf_counter() - started:.1f} s.")
        for sample in samples.load():
            text, row = await _suggest(screen, editor, sample)
            rows.append(row)
            if text:
                shown.append((sample, text))
        if shown:
            rows.append(await _type_through(screen, editor, *max(shown, key=_worth_typing)))
        rows.append(await _cancel(editor))
    screen.table(rows)
    if not shown:
        screen.say("\nNothing was suggested: see midfill doctor for the model in use.")
    return 0 if shown else 1


async def _suggest(screen: Screen, editor: Editor, sample: Sample) -> tuple[str, Row]:
    """Ask at the sample's caret, and draw the text as it grows."""
    uri = _uri(sample)
    await editor.open(uri, "python", sample.text)
    first_ms: float | None = None
    with screen.showing(sample) as frame:
        started = time.perf_counter()

        def grow(text: str) -> None:
            nonlocal first_ms
            first_ms = _ms_since(started) if first_ms is None else first_ms
            frame.draw(text)

        number = await editor.begin(uri, sample.caret, on_text=grow)
        items = await asyncio.wait_for(editor.items(number), _ANSWER_TIMEOUT_S)
        total_ms = _ms_since(started)
        text = str(items[0]["insertText"]) if items else ""
        if text and first_ms is None:
            first_ms = total_ms
        facts = await editor.explain()
        told = facts.get("generatedTokens")
        num_tokens = told if text and isinstance(told, int) else None
        row = Row(sample.name, _told(text), first_ms, total_ms, num_tokens)
        note = _note(row) if text else f"no suggestion: {facts.get('detail')}"
        frame.draw(text, note=note, replaces_rest=_replaces_rest(items))
    return text, row


async def _type_through(screen: Screen, editor: Editor, sample: Sample, text: str) -> Row:
    """Type the suggestion's first character: the rest must come from the cache."""
    uri, key = _uri(sample), text[0]
    with screen.showing(sample) as frame:
        frame.draw(text)
        caret = await editor.type(uri, sample.caret, key, version=2)
        started = time.perf_counter()
        items = await editor.items(await editor.begin(uri, caret, is_automatic=True))
        total_ms = _ms_since(started)
        rest = str(items[0]["insertText"]) if items else ""
        is_hit = bool((await editor.explain()).get("cacheHit"))
        row = Row(f"typed {key!r} in {sample.name}", _told(rest), total_ms, total_ms)
        source = "the cache, without the engine" if is_hit else "the engine"
        frame.draw(
            rest, typed=key, note=f"typed {key!r}: answered in {total_ms:.1f} ms by {source}"
        )
    return row


async def _cancel(editor: Editor) -> Row:
    """Ask and cancel at once, as an editor does at every key."""
    text = "def main():\n    "
    await editor.open("file:///demo/cancelled.py", "python", text)
    caret = caret_at(text, len(text))
    started = time.perf_counter()
    number = await editor.begin("file:///demo/cancelled.py", caret)
    await editor.cancel(number)
    try:
        await asyncio.wait_for(editor.items(number), _ANSWER_TIMEOUT_S)
    except ServerFailed as error:
        if error.code != CANCELLED:
            raise
        return Row("cancelled request", "answered as cancelled", total_ms=_ms_since(started))
    return Row("cancelled request", "was answered before", total_ms=_ms_since(started))


def _worth_typing(shown: tuple[Sample, str]) -> tuple[bool, int]:
    """Rank by what a typed character shows: a letter rather than a space, much left after it."""
    first_line = shown[1].partition("\n")[0]
    return not first_line[:1].isspace(), len(first_line)


def _replaces_rest(items: Sequence[dict[str, Any]]) -> bool:
    return bool(items) and items[0]["range"]["start"] != items[0]["range"]["end"]


def _uri(sample: Sample) -> str:
    return f"file:///demo/{sample.name}"


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def _told(text: str) -> str:
    line, *more = text.strip().splitlines() or ["(nothing)"]
    return (line if len(line) <= 32 else line[:31] + "…") + (" …" if more else "")


def _note(row: Row) -> str:
    assert row.first_ms is not None
    note = f"first text after {row.first_ms:.0f} ms, all after {row.total_ms:.0f} ms"
    if row.num_tokens is None:
        return note
    return f"{note}, {row.num_tokens} token{'s' if row.num_tokens != 1 else ''}"
