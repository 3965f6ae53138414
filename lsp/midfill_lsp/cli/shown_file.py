"""The file that `midfill chat` talks about, past the same privacy gate as in an editor."""

from __future__ import annotations

import re
from pathlib import Path

from midfill_lsp.chat import Passage, admit
from midfill_lsp.cli.language import language_of
from midfill_lsp.cli.text import whole_lines
from midfill_lsp.config import Config
from midfill_lsp.context import Gate, Workspace, trust_of
from midfill_lsp.errors import MidfillError


class WrongFile(MidfillError):
    """The file or the selection cannot be used."""


def gate_of(config: Config) -> Gate:
    """Return the gate of the folder that the program runs in."""
    return Gate(lambda: config.context, Workspace([Path.cwd()]))


def shown_file(config: Config, path: Path | None, select: str | None) -> tuple[Passage, ...]:
    """Return a file, or its lines A:B, as it may be sent; nothing without a file.

    Raises:
        WrongFile: it cannot be read, or the selection is none of its lines.
        Withheld: the privacy gate keeps it back.
    """
    if path is None:
        if select is not None:
            raise WrongFile("--select needs --file")
        return ()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongFile(f"{path} cannot be read: {error}") from None
    text, first_line = _selected(text, select)
    whole = str(path.absolute())
    return (
        admit(gate_of(config), trust_of(config), whole, language_of(path.name), text, first_line),
    )


def _selected(text: str, select: str | None) -> tuple[str, int]:
    """Return the lines A:B of a text, and A."""
    if select is None:
        return text, 1
    lines = whole_lines(text)
    found = re.fullmatch(r"(\d+):(\d+)", select)
    first, last = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= first <= last <= len(lines):
        raise WrongFile(f"--select {select}: two lines A:B of 1 to {len(lines)}, such as 1:10")
    return "".join(lines[first - 1 : last]), first
