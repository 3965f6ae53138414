"""`/explain`, `/fix`, `/tests`, `/doc`: what they ask for. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from midfill_lsp.errors import MidfillError


class WrongCommand(MidfillError):
    """There is no such command, or it lacks its code."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        name: without the slash.
        asks: what the model is told.
        replaces: whether the answer's code takes the place of the code that was asked about.
    """

    name: str
    asks: str
    replaces: bool


COMMANDS: Final = (
    Command(
        "explain",
        "Explain what this code does, step by step, and what is surprising about it. Be brief.",
        replaces=False,
    ),
    Command(
        "fix",
        "Find the mistakes in this code and mend them. Reply with the whole mended code in one "
        "code block, all of it and nothing else in the block; then say in a sentence or two what "
        "was wrong. If there is no mistake, say so and write no code block.",
        replaces=True,
    ),
    Command(
        "tests",
        "Write tests for this code, with the test framework that its language usually has. Reply "
        "with one code block that can be saved as a file, and cover the edge cases.",
        replaces=False,
    ),
    Command(
        "doc",
        "Write the documentation comments that this code lacks, in the style that its language "
        "usually has. Reply with the whole code in one code block, changed in nothing else.",
        replaces=True,
    ),
)
_COMMAND: Final = re.compile(r"/([A-Za-z]\w*)(?:\s+|\Z)")


def split(text: str) -> tuple[Command | None, str]:
    """Return the command that a message begins with, None without one, and what stands behind it.

    Raises:
        WrongCommand: there is no such command.
    """
    found = _COMMAND.match(text)
    if found is None:
        return None, text
    name = found.group(1)
    command = next((known for known in COMMANDS if known.name == name), None)
    if command is None:
        there_are = ", ".join(f"/{known.name}" for known in COMMANDS)
        raise WrongCommand(
            f"there is no command /{name[:40]}: there are {there_are}; a blank in front of the "
            "slash makes it text"
        )
    return command, text[found.end() :]


def spoken(command: Command, more: str, has_code: bool) -> str:
    """Return what a command tells the model.

    Args:
        command: which.
        more: what the user wrote behind it.
        has_code: whether a file or selection goes along.

    Raises:
        WrongCommand: there is no code to speak of.
    """
    if not has_code and not more.strip():
        raise WrongCommand(
            f"/{command.name} needs code: select some or open a file; in a terminal give --file"
        )
    return f"{command.asks}\n\n{more}" if more.strip() else command.asks
