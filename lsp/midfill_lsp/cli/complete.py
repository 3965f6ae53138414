"""`midfill complete FILE --line N --character N`: one completion, by a real language server."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any, cast

from midfill_lsp.cli import options as engine_options
from midfill_lsp.cli.editor import Editor
from midfill_lsp.cli.language import language_of
from midfill_lsp.cli.terminal import say
from midfill_lsp.cli.text import ENCODINGS, Caret, find_caret
from midfill_lsp.errors import MidfillError

_NOTHING = 1


class NoSuchFile(MidfillError):
    """The file cannot be read as text."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's options."""
    parser.epilog = (
        "Lines and characters count from 0, as in the Language Server Protocol: an editor that "
        "shows Ln 3, Col 5 means --line 2 --character 4. The text goes to stdout; the status is 0 "
        "with a completion, 1 without one."
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--line", type=int, required=True, metavar="N")
    parser.add_argument("--character", type=int, required=True, metavar="N")
    parser.add_argument(
        "--encoding",
        choices=ENCODINGS,
        default="utf-32",
        help="what a character is: a byte, a UTF-16 unit or (default) a code point",
    )
    parser.add_argument("--json", action="store_true", help="print items and facts as JSON")
    engine_options.add_engine_options(parser)


def run(options: argparse.Namespace) -> int:
    """Print the completion, and return 0, or 1 if there is none."""
    text = _read(options.file)
    caret = find_caret(text, options.line, options.character, options.encoding)
    engine_options.read_config(options)  # what is wrong is told here, in one line each
    arguments = engine_options.write_options(options)
    uri = options.file.absolute().as_uri()
    language = language_of(options.file.name)
    items, facts = asyncio.run(_complete(arguments, uri, language, text, caret))
    if options.json:
        print(json.dumps({"items": items, "explain": facts}, indent=2))
    elif items:
        say(items[0]["insertText"])
    else:
        say(f"midfill: no completion here: {_why(facts)}", is_error=True)
    return 0 if items else _NOTHING


def _why(facts: dict[str, Any]) -> str:
    """Return the reason in one line, with what is particular to this request."""
    reason = cast("dict[str, str]", facts.get("reason") or {})
    detail, told = facts.get("detail"), reason.get("sentence", "the model wrote nothing")
    return f"{told} ({detail})" if detail and facts.get("outcome") != "empty" else told


async def _complete(
    arguments: list[str], uri: str, language: str, text: str, caret: Caret
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    async with Editor(arguments) as editor:
        await editor.until_ready()
        await editor.open(uri, language, text)
        items = await editor.items(await editor.begin(uri, caret))
        return items, await editor.explain()


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise NoSuchFile(f"{str(path)!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise NoSuchFile(f"{str(path)!r} is not UTF-8 text: {error.reason}") from error
